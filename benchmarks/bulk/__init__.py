"""``make bench-bulk PHOTOS=folder``: many photos into Parquet, against decode and network alone."""
