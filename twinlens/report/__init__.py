"""Reports: one HTML file each, in English and Chinese, which asks the network for nothing and runs no script."""
