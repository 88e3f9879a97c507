"""The HTTP side of Twinlens: what ``service.py`` declares is done here, one concept a module."""
