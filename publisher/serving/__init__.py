"""What is answered to whom, and how the watch over a publication stands. Knows no web framework."""
