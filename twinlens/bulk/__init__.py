"""Many photos: work on them in several processes or on a cluster, and answers in a Parquet file."""
