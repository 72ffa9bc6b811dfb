"""Which windows have landed, which lack, and how long zDirect still has what lacks."""
