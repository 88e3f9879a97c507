"""A data set of one's own: photos with a manifest, collected or imported, verified, deduplicated, split and checked.

Everything is in one folder: the photos, one folder per label; ``manifest.jsonl``, which says what each photo is; and
hidden folders for what was set aside, for earlier manifests and for what takes long to compute.
"""
