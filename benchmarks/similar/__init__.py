"""``make bench-similar PHOTOS=folder``: the index and the page's gallery against looking at every photo."""
