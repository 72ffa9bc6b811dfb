"""What has landed, what is missing, and how long zDirect still has it."""
