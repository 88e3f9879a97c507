"""The official route from ONNX to TensorFlow.js: onnx2tf, then TensorFlow's own converter, in an environment apart.

It is the way out for a network with an operation that the direct writer (``training.tfjs``) does not know, and the peer
that the direct writer is measured against. ``environment`` makes the environment on demand, ``route`` runs the two
programs in it, ``adopt`` makes their graph model keep the contract, ``check`` runs the result in Chromium.
"""
