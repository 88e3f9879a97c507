"""Photos that look alike: an index of embeddings, its search, and a compact gallery of it for the page."""
