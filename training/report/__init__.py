"""What ``python -m training evaluate`` writes: the figures as JSON, and a page that shows them."""
