"""What the commands do, over ports only."""
