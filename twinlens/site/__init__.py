"""The page and its model as a folder of files for any static host: ``twinlens site``."""
