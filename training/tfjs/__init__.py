"""The direct writer: ONNX to a TensorFlow.js graph model, with onnx and NumPy alone.

No TensorFlow takes part: a graph model is a TensorFlow GraphDef in JSON and a list of weights, and every ONNX operation
of an image classifier has a counterpart in it. ``operations`` is the table of those counterparts, ``convert`` walks the
graph, ``graph`` builds GraphDef nodes, ``files`` writes ``model.json`` and the weights.
"""
