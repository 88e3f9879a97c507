import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.unit.training.onnx_models import model
from training.tfjs.convert import Walk
from training.tfjs.layout import Batched
from training.tfjs.shapes import infer
from twinlens.errors import TwinlensError

FLOAT = TensorProto.FLOAT


def test_what_grows_with_the_batch_is_told_from_what_does_not() -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "rows"], ["r"]),
        helper.make_node("Reshape", ["r", "back"], ["y"]),
    ]
    shapes = infer(model(nodes, {"rows": np.array([-1, 6]), "back": np.array([-1, 2, 3])}, ["y"]))
    assert repr(shapes["x"]) == "(Batched(1), 3, 8, 8)"
    assert repr(shapes["r"]) == "(Batched(32), 6)"
    assert repr(shapes["y"]) == "(Batched(32), 2, 3)"
    assert isinstance(shapes["image"][0], Batched)


def test_a_shape_that_does_not_simply_grow_is_refused() -> None:
    nodes = [helper.make_node("Concat", ["x", "extra"], ["y"], axis=0)]
    with pytest.raises(TwinlensError, match="does not simply grow with the batch") as caught:
        infer(model(nodes, {"extra": np.zeros((1, 3, 8, 8), np.float32)}, ["y"]))
    assert caught.value.code == "unsupported_operation"


def test_a_graph_whose_shapes_contradict_each_other_is_refused() -> None:
    nodes = [helper.make_node("Add", ["x", "other"], ["y"])]
    built = model([], {"other": np.zeros((5, 1, 1), np.float32)}, [])
    built.graph.node.extend(nodes)
    with pytest.raises(TwinlensError, match="ONNX cannot tell the shapes"):
        infer(built)


def test_a_size_that_depends_on_the_numbers_is_not_taken_for_nothing() -> None:
    nodes = [helper.make_node("NonZero", ["x"], ["places"]), helper.make_node("Cast", ["places"], ["y"], to=FLOAT)]
    built = model(nodes, {}, ["y"])
    assert {"places", "y"}.isdisjoint(infer(built))
    with pytest.raises(TwinlensError, match="ONNX cannot tell the shape of 'y'") as caught:
        Walk(built).shape("y")
    assert caught.value.code == "unsupported_operation"
