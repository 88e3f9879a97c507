from pathlib import Path

import numpy as np
import pytest

from tests import models
from tests.unit.training.measured import write_model, write_photos, write_run
from training.data import open_dataset
from training.measure import measure
from training.report.activation import activation_map, class_weights, overlay, pictures
from twinlens.contract import ClassMap
from twinlens.inference import Network
from twinlens.store import open_current


def test_the_map_is_where_the_features_speak_for_the_label() -> None:
    features = np.zeros((2, 3, 2), np.float32)
    features[0, 1] = (4, 1)
    features[1, 2] = (2, 1)
    features[1, 0] = (0, 5)
    found = activation_map(features, np.array([1.0, -1.0], np.float32))
    np.testing.assert_allclose(found, [[0, 1, 0], [0, 0, 1 / 3]])


def test_a_map_of_nothing_stays_empty() -> None:
    assert activation_map(np.ones((2, 2, 1)), np.array([-1.0])).tolist() == [[0, 0], [0, 0]]


def test_the_weights_are_those_that_the_network_answers_by(tmp_path: Path) -> None:
    version = open_current(models.write(tmp_path))
    assert version.contract.class_map is not None
    weights = class_weights(version, version.contract.class_map)
    assert weights.shape == (len(models.LABELS), 3)
    pixels = np.random.default_rng(0).integers(0, 256, (4, models.SIZE, models.SIZE, 3), dtype=np.uint8)
    outputs = Network(version).outputs(pixels)
    bias = outputs.logits - outputs.embedding @ weights.T
    np.testing.assert_allclose(bias, np.broadcast_to(bias[0], bias.shape), atol=1e-4)  # what is left is the bias alone


def test_weights_that_are_stored_in_another_form_are_read_as_they_are_used(tmp_path: Path) -> None:
    version = open_current(models.write(tmp_path))
    # The made network's weights need float32; its filters are stored in float16, behind a Cast.
    assert version.contract.weights["patch"].encoding == "float16"
    read = class_weights(version, ClassMap(tfjs_weight="patch", onnx_initializer="patch"))
    assert read.dtype == np.float32
    assert read.max() == pytest.approx(1 / 256)


def test_the_overlay_tints_what_is_strong_and_leaves_the_rest_grey() -> None:
    pixels = np.full((32, 32, 3), (30, 200, 90), np.uint8)
    activation = np.zeros((2, 2))
    activation[0, 0] = 1
    found = overlay(pixels, activation).astype(int)
    assert found.shape == (32, 32, 3)
    red, green, blue = found[2, 2]
    assert red > green > blue
    assert np.ptp(found[-2, -2]) <= 2


def test_photos_have_maps_where_the_contract_allows_them(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos")
    with_map = measure(write_model(tmp_path / "a", photos), "test", photos)
    shown = pictures(with_map, [0, 5])
    assert all(each.photo.startswith("data:") and each.activation is not None for each in shown)
    assert shown[0].photo != shown[1].photo
    without = measure(write_model(tmp_path / "b", photos, class_map=None), "test", photos)
    run = measure(write_run(tmp_path / "run", open_dataset(photos)), "test")
    for measured in (without, run):
        assert [each.activation for each in pictures(measured, [0, 5])] == [None, None]
