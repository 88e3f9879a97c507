"""``make bench-convert``: both routes from ONNX to TensorFlow.js over the networks of torchvision, in one run.

The direct writer (``training.tfjs``) and the official route (``training.official``) get the same ONNX graph with the
same rounded weights. ``make`` makes that graph, ``routes`` converts it, ``runs`` runs the results in Chromium, each
step in a process of its own with a time limit (``process``). ``row`` puts the steps of one network together, ``goals``,
``table`` and ``picture`` say what the rows mean.
"""
