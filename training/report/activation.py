"""What the report shows of a photo: what the network saw of it, and what spoke for the answer.

A class activation map (Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016) is the last
features weighted by the answer's row of the classifier. It needs no gradient, but a head that is global average pooling
and one linear layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image

from training.photos import served
from training.target import Measured
from twinlens.contract import ClassMap
from twinlens.inference import Network
from twinlens.report.pictures import thumbnail
from twinlens.store import ModelVersion

_WARM: Final = (255.0, 138.0, 0.0)
_STRONGEST: Final = 0.75


class Pictures(NamedTuple):
    """Addresses of a photo's pictures for the page; ``activation`` is ``None`` where there is no map."""

    photo: str
    activation: str | None


def pictures(measured: Measured, indices: Sequence[int]) -> list[Pictures]:
    """Pictures of some of the photos that were measured.

    :param indices: which ones.
    """
    read = served(measured.target.rules)
    photos = [read(measured.samples[index].path) for index in indices]
    version = measured.target.version
    if version is None or version.contract.class_map is None:
        return [Pictures(thumbnail(photo), None) for photo in photos]
    weights = class_weights(version, version.contract.class_map)
    network = Network(version)
    shown = []
    for index, photo in zip(indices, photos, strict=True):
        features = network.outputs(photo[None]).features[0]
        activation = activation_map(features, weights[int(measured.logits[index].argmax())])
        shown.append(Pictures(thumbnail(photo), thumbnail(overlay(photo, activation))))
    return shown


def class_weights(version: ModelVersion, class_map: ClassMap) -> NDArray[np.float32]:
    """The weights of a version's class maps, float32 of shape (labels, channels).

    :raises TwinlensError: ``invalid_model`` if the graph is not the contract's.
    """
    graph = version.contract.graphs.onnx
    model = onnx.load_model_from_string(version.read(graph.path))
    shape = [graph.logits.shape[-1], graph.features.shape[1]]
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(class_map.onnx_initializer, TensorProto.FLOAT, shape))
    # ONNX Runtime gives the tensor as the network uses it, however it is stored.
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    crop = version.contract.crop
    (weights,) = session.run(None, {graph.input.name: np.zeros((1, crop.height, crop.width, 3), np.uint8)})
    return np.asarray(weights, np.float32)


def activation_map(features: NDArray[np.floating], weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Where in a photo the features speak for a label.

    :param features: array of shape (height, width, channels).
    :param weights: the label's, of shape (channels,).
    :return: float64 array of shape (height, width), 0 where nothing speaks for the label, 1 where most does.
    """
    found = np.maximum(np.asarray(features, np.float64) @ np.asarray(weights, np.float64), 0)
    most = found.max()
    return found / most if most > 0 else found


def overlay(pixels: NDArray[np.uint8], activation: NDArray[np.floating]) -> NDArray[np.uint8]:
    """A photo in grey, tinted where an activation map is strong.

    :param pixels: uint8 array of shape (height, width, 3), RGB.
    :param activation: array of smaller shape, 0 to 1.
    :return: uint8 array of the photo's shape.
    """
    height, width = pixels.shape[:2]
    enlarged = Image.fromarray(activation.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    strength = np.clip(np.asarray(enlarged), 0, 1)[..., None] * _STRONGEST
    grey = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)[..., None]
    # The tint keeps the photo's own light and dark, so that what lies below it can be recognised.
    warm = np.asarray(_WARM, np.float32) * (0.35 + 0.65 * grey / 255)
    return np.asarray(np.rint(grey * (1 - strength) + warm * strength), np.uint8)
