from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.training.networks import NORMALIZE
from tests.unit.training.test_published import EDGE, Publish, publish
from training import checkpoint, networks
from training.arguments import Arguments
from training.continuing import begin, norms
from training.learner import start
from training.networks import to_input
from training.run import Run, load, save
from training.settled import noise
from twinlens.errors import TwinlensError
from twinlens.golden import relative_error
from twinlens.inference import Network
from twinlens.store import ModelVersion

__all__ = ["publish"]
ARCH = "mobilenet_v3_small"
PIXELS = noise(4, EDGE, EDGE)


@pytest.fixture(scope="module")
def version(publish: Publish) -> ModelVersion:
    return publish(ARCH, "int4-channel")[1]


@pytest.fixture(scope="module")
def run(version: ModelVersion) -> Path:
    """The run that the version was exported from."""
    return version.path.parent.parent.parent / ARCH


def answers(network: torch.nn.Module) -> np.ndarray:
    with torch.inference_mode():
        return network(to_input(PIXELS, NORMALIZE, torch.device("cpu"))).numpy()


def test_a_version_goes_on_with_the_answers_that_it_gives(version: ModelVersion) -> None:
    beginning = begin(version.path, ARCH, version.contract.label_names)
    expected = Network(version).logits(PIXELS.numpy())
    assert relative_error(answers(beginning.network.eval()), expected) < 1e-4
    assert beginning.known == len(version.contract.labels)
    graph = version.contract.graphs.onnx.path
    assert beginning.sha256 == next(file.sha256 for file in version.contract.files if file.path == graph)
    assert version.contract.model.version in beginning.name


def test_a_run_goes_on_with_its_own_weights(run: Path) -> None:
    beginning = begin(run, ARCH, load(run).labels)
    state = checkpoint.load_best(run)
    assert all(torch.equal(tensor, state[name]) for name, tensor in beginning.network.state_dict().items())
    assert beginning.sha256 == checkpoint.best_sha256(run)


def test_labels_are_found_again_by_their_names_and_new_ones_begin_anew(version: ModelVersion) -> None:
    labels = version.contract.label_names
    beginning = begin(version.path, ARCH, [labels[2], "new", labels[0], labels[1]])
    expected = Network(version).logits(PIXELS.numpy())
    found = answers(beginning.network.eval())
    assert found.shape == (4, 4)
    assert relative_error(found[:, [2, 3, 0]], expected) < 1e-4
    assert beginning.known == 3


def test_what_does_not_fit_is_refused(version: ModelVersion, run: Path) -> None:
    labels = version.contract.label_names
    for path, arch, wanted, said in (
        (version.path, "resnet18", labels, f"--arch {ARCH}"),
        (version.path, ARCH, ["ship", "car"], "knows none of the labels"),
    ):
        with pytest.raises(TwinlensError, match=said) as refused:
            begin(path, arch, wanted)
        assert refused.value.code == "invalid_arguments"
    record: Run = load(run)
    save(run, record.model_copy(update={"finished": None}))
    with pytest.raises(TwinlensError, match="not finished"):
        begin(run, ARCH, labels)
    save(run, record)


def test_the_first_step_begins_with_what_is_known_since_norms_stand_still(version: ModelVersion) -> None:
    """A version's norms do nothing: with the statistics of a batch, the network would have forgotten everything."""
    labels = version.contract.label_names
    arguments = Arguments(Path(), Path(), arch=ARCH, init=str(version.path), image_size=EDGE, train_size=(EDGE,))
    network = begin(version.path, ARCH, labels).network
    learner = start(arguments, network, torch.device("cpu"), "float32", 5)
    learner.train()
    for module in learner.network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()
    assert norms(learner.network) and not any(norm.training for norm in norms(learner.network))
    before = [norm.running_mean.clone() for norm in norms(learner.network)]
    found = learner.network(to_input(PIXELS, NORMALIZE, torch.device("cpu"))).detach().numpy()
    assert relative_error(found, Network(version).logits(PIXELS.numpy())) < 1e-4
    assert all(torch.equal(norm.running_mean, mean) for norm, mean in zip(norms(learner.network), before, strict=True))
    learner.network.train()
    shaken = learner.network(to_input(PIXELS, NORMALIZE, torch.device("cpu"))).detach().numpy()
    assert relative_error(shaken, found) > 0.1


def test_what_is_given_as_initial_weights(tmp_path: Path) -> None:
    assert networks.goes_on(str(tmp_path))
    assert not networks.goes_on(networks.IMAGENET) and not networks.goes_on(networks.NONE)
    (tmp_path / "state.pt").write_bytes(b"")
    assert not networks.goes_on(str(tmp_path / "state.pt"))
    networks.check(ARCH, str(tmp_path))
    with pytest.raises(TwinlensError):
        networks.check(ARCH, str(tmp_path / "nowhere"))
