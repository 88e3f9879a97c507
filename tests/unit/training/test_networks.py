import functools
import hashlib
import http.server
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from training import networks
from twinlens.contract import Normalize
from twinlens.errors import TwinlensError

# The smallest of each family. Those that compute with numbers while they are built cannot be built without memory.
FAMILIES = {
    "meta": [
        "alexnet",
        "convnext_tiny",
        "densenet121",
        "efficientnet_b0",
        "efficientnet_v2_s",
        "googlenet",
        "inception_v3",
        "maxvit_t",
        "mnasnet0_5",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "resnet18",
        "resnext50_32x4d",
        "shufflenet_v2_x0_5",
        "squeezenet1_1",
        "vgg11_bn",
        "vit_b_32",
        "wide_resnet50_2",
    ],
    "cpu": ["regnet_y_400mf", "swin_t"],
}
SMALL = "squeezenet1_1"


@pytest.mark.parametrize(("device", "arch"), [(device, arch) for device, found in FAMILIES.items() for arch in found])
def test_every_family_gets_a_head_for_the_labels(device: str, arch: str) -> None:
    with torch.device(device):
        network = networks.create(arch, labels=7)
        size = 299 if arch == "inception_v3" else 224
        assert network.training
        assert network(torch.zeros(2, 3, size, size)).shape == (2, 7)
    name, head = networks.head(network)
    assert network.get_submodule(name) is head
    assert head.weight.shape[0] == 7


def test_the_listed_networks_are_torchvisions_classifiers() -> None:
    assert {"mobilenet_v2", "vit_b_16", "resnet152"} <= set(networks.names())
    assert not {name for name in networks.names() if "segmentation" in name or "quantized" in name or "rcnn" in name}


def test_an_unknown_network_is_named_with_those_that_are_like_it() -> None:
    with pytest.raises(TwinlensError, match=r"Did you mean: .*mobilenet_v3_small") as unknown:
        networks.create("MobileNetV3small", 3)
    assert unknown.value.code == "unknown_network"
    with pytest.raises(TwinlensError, match="It has: alexnet, "):
        networks.create("__class__", 3)


def test_a_state_dict_starts_everything_but_the_head(tmp_path: Path) -> None:
    torch.manual_seed(1)
    whole = torchvision.models.squeezenet1_1(weights=None)
    torch.save(whole.state_dict(), tmp_path / "weights.pt")
    network = networks.create(SMALL, 5, init=str(tmp_path / "weights.pt"))
    assert torch.equal(network.state_dict()["features.0.weight"], whole.state_dict()["features.0.weight"])
    assert network.state_dict()["classifier.1.weight"].shape == (5, 512, 1, 1)
    wanted = hashlib.sha256((tmp_path / "weights.pt").read_bytes()).hexdigest()
    assert networks.init_sha256(SMALL, str(tmp_path / "weights.pt")) == wanted
    assert networks.init_sha256(SMALL, "none") is None


def test_weights_of_another_network_are_refused_with_the_first_wrong_keys(tmp_path: Path) -> None:
    state = torchvision.models.squeezenet1_1(weights=None).state_dict()
    state["classifier.1.bias"] = torch.zeros(3)
    state["odd"] = torch.zeros(1)
    del state["features.0.bias"]
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(TwinlensError) as wrong:
        networks.create(SMALL, 5, init=str(tmp_path / "weights.pt"))
    assert wrong.value.code == "invalid_weights"
    for part in ("features.0.bias is missing", "classifier.1.bias is [3] and must be [1000]", "odd is not part"):
        assert part in wrong.value.detail
    with pytest.raises(
        TwinlensError, match=r"features\.0\.weight is \[64, 3, 3, 3\] and must be \[64, 3, 11, 11\].* and 62 more"
    ):
        networks.create("alexnet", 5, init=str(tmp_path / "weights.pt"))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), (b"text", "no state dict that torch.load"), ({"a": 1}, "dictionary of tensors")],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "weights.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(TwinlensError, match=message) as refused:
        networks.create(SMALL, 5, init=str(path))
    assert refused.value.code == "invalid_weights"


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which it is served."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


def _offer(monkeypatch: pytest.MonkeyPatch, hub: Path, url: str) -> None:
    """Let torchvision find its weights of the small network at an address, and keep them in a folder."""
    monkeypatch.setattr(torchvision.models.SqueezeNet1_1_Weights.DEFAULT.value, "url", url)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(hub))


def test_torchvisions_weights_are_downloaded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shelf: tuple[Path, str]
) -> None:
    folder, address = shelf
    buffer = io.BytesIO()
    whole = torchvision.models.squeezenet1_1(weights=None)
    torch.save(whole.state_dict(), buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    file = folder / f"squeezenet-{digest[:8]}.pth"
    file.write_bytes(buffer.getvalue())
    _offer(monkeypatch, tmp_path / "hub", f"{address}/{file.name}")
    network = networks.create(SMALL, 4, init="imagenet")
    assert torch.equal(network.state_dict()["features.0.weight"], whole.state_dict()["features.0.weight"])
    assert networks.init_sha256(SMALL, "imagenet") == digest
    file.unlink()
    networks.create(SMALL, 4, init="imagenet")


@pytest.mark.parametrize("name", ["gone-01234567.pth", "changed-01234567.pth"])
def test_a_failed_download_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shelf: tuple[Path, str], name: str
) -> None:
    folder, address = shelf
    (folder / "changed-01234567.pth").write_bytes(b"other bytes")
    _offer(monkeypatch, tmp_path / "hub", f"{address}/{name}")
    with pytest.raises(TwinlensError, match="--init PATH") as failed:
        networks.create(SMALL, 4, init="imagenet")
    assert failed.value.code == "download_failed"


def test_a_size_that_a_network_cannot_take_is_refused() -> None:
    network = networks.create(SMALL, 4)
    networks.check_size(network, SMALL, 48)
    assert network.training
    with pytest.raises(TwinlensError, match="4 x 4 pixels") as refused:
        networks.check_size(network, SMALL, 4)
    assert refused.value.code == "invalid_arguments"
    assert network.training


def test_the_input_is_what_the_contract_says() -> None:
    normalize = Normalize(scale=1 / 255, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 2.0))
    pixels = torch.tensor([[[[255, 0, 51]]]], dtype=torch.uint8)
    made = networks.to_input(pixels, normalize, torch.device("cpu"))
    assert made.shape == (1, 3, 1, 1)
    torch.testing.assert_close(made.flatten(), torch.tensor([1.0, -1.0, 0.1]))


def test_a_linear_head_without_a_bias_stays_without() -> None:
    with torch.device("meta"):
        head = networks.head(networks.create("maxvit_t", 3))[1]
    assert isinstance(head, nn.Linear)
    assert head.bias is None


def test_a_missing_file_of_weights_is_said_before_photos_are_read(tmp_path: Path) -> None:
    networks.check("mobilenet_v2", networks.IMAGENET)
    with pytest.raises(TwinlensError, match="no initial weights at") as refused:
        networks.check("mobilenet_v2", str(tmp_path / "none.pt"))
    assert refused.value.code == "invalid_weights"
    with pytest.raises(TwinlensError, match="Did you mean: mobilenet_v2") as refused:
        networks.check("mobilenet2", networks.NONE)
    assert refused.value.code == "unknown_network"
