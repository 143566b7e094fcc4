"""What belongs together, and whether it may replace what is there."""
