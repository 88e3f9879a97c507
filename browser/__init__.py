"""A real browser and a static host for it, shared by tests, parity and benchmarks; never by the server."""
