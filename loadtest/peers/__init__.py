"""Servers of other kinds, each as its documentation has it, that ours is compared with; ``catalogue`` lists them."""
