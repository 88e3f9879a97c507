"""How the tables of feedback came to be what they are, a step a version; run by :mod:`twinlens.feedback.migrate`."""
