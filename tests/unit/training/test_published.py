from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests import models
from tests.unit.training.networks import NORMALIZE
from tests.unit.training.pictures import split_folders
from tests.unit.training.test_run import record
from training import checkpoint
from training.data import open_dataset
from training.deploy import deploy
from training.export import export
from training.networks import to_input
from training.published import open_network
from training.run import save, save_splits
from training.settled import noise
from training.settled import settled as settled_network
from twinlens.contract import dump
from twinlens.errors import TwinlensError
from twinlens.golden import relative_error
from twinlens.inference import Network
from twinlens.store import CONTRACT, ModelVersion, open_current

EDGE = 64
Publish = Callable[[str, str], tuple[dict[str, torch.Tensor], ModelVersion]]


@pytest.fixture(scope="module")
def publish(tmp_path_factory: pytest.TempPathFactory) -> Publish:
    """Exports a network of random weights; gives its deployed weights and the version."""
    folder = tmp_path_factory.mktemp("published")
    data = open_dataset(split_folders(folder / "photos", train=1, validation=2, test=2))

    def make(arch: str, weights: str) -> tuple[dict[str, torch.Tensor], ModelVersion]:
        network = settled_network(arch, len(data.labels), noise(16, EDGE, EDGE), NORMALIZE)
        run = folder / arch
        checkpoint.save(run / checkpoint.BEST, network.state_dict())
        of_data = {"labels": data.labels, "data": str(data.path), "data_digest": data.digest, "counts": data.counts}
        rules = {"crop": EDGE, "shorter_edge": EDGE, "mean": NORMALIZE.mean, "std": NORMALIZE.std}
        save(run, record(arch=arch, finished="made", **of_data, **rules))
        save_splits(run, data.paths())
        version = export(run, folder / "models" / arch, weights=weights)
        return deploy(network, (EDGE, EDGE), NORMALIZE, weights).network.state_dict(), version

    return make


@pytest.mark.parametrize(
    ("arch", "weights"),
    [
        ("mobilenet_v2", "int6-channel"),
        ("resnet18", "float16"),
        ("mobilenet_v3_small", "int4-channel"),
        ("efficientnet_b0", "float32"),
    ],
)
def test_a_version_comes_back_as_the_network_that_it_was(publish: Publish, arch: str, weights: str) -> None:
    exported, version = publish(arch, weights)
    network = open_network(version)
    back = deploy(network, (EDGE, EDGE), NORMALIZE, "float32").network.state_dict()
    assert back.keys() == exported.keys()
    assert all(torch.equal(back[name], exported[name]) for name in exported)
    pixels = noise(4, EDGE, EDGE)
    with torch.inference_mode():
        answer = network(to_input(pixels, NORMALIZE, torch.device("cpu"))).numpy()
    assert relative_error(answer, Network(version).logits(pixels.numpy())) < 1e-4


def test_a_graph_that_was_changed_is_refused(publish: Publish) -> None:
    _, version = publish("shufflenet_v2_x0_5", "float16")
    path = version.path / version.contract.graphs.onnx.path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TwinlensError, match="It was changed or cut off") as refused:
        open_network(version)
    assert refused.value.code == "invalid_model"


def test_rules_of_another_time_are_refused(publish: Publish) -> None:
    _, version = publish("squeezenet1_1", "float16")
    decode = version.contract.decode.model_copy(update={"jpeg_dct_headroom": 2.0})
    changed = version.contract.model_copy(update={"decode": decode})
    (version.path / CONTRACT).write_bytes(dump(changed))
    with pytest.raises(TwinlensError, match=r"other rules \(decode\).*training run that it was exported") as refused:
        open_network(open_current(version.path.parent))
    assert refused.value.code == "unsupported_operation"


def test_a_network_that_torchvision_does_not_have_is_refused(tmp_path: Path) -> None:
    version = open_current(models.write(tmp_path))
    with pytest.raises(TwinlensError, match=version.contract.model.architecture) as refused:
        open_network(version)
    assert refused.value.code == "unknown_network"
