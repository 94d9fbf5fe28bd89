"""What this package knows of the machine and of its own processes."""
