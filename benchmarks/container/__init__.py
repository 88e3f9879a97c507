"""``make container``: build the image, run it, call it, stop it, with whichever engine is there, and look closely.

It is made of ``bentos/container/Containerfile`` and a new bento; ``docs/results/container.json`` is what was found.
"""
