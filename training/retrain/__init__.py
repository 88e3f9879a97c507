"""``python -m training retrain``: learn what was reviewed since, and publish only what is not worse."""
