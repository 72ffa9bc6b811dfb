"""Which windows have landed, which are missing, and how long zDirect still has them."""
