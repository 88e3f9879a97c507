"""``twinlens compare``: two models side by side on the same photos."""
