"""Training, evaluation and export: the only part of Twinlens that needs torch (``python -m training …``)."""
