"""Data sets on disk: their manifest, and photos that were set aside."""
