"""``twinlens review``: a person looks at doubtful photos of a data set, and every decision is a line in a log."""
