"""torchvision's classification networks, with their last layer made for the labels at hand.

A network is named as torchvision names it. Its weights start from torchvision's own download, from a file, or from
nothing.
"""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path
from typing import Final
from urllib.parse import urlparse

import torch
import torchvision
from torch import nn

from twinlens.contract import Normalize
from twinlens.errors import TwinlensError

IMAGENET: Final = "imagenet"
NONE: Final = "none"
_SHOWN_KEYS: Final = 3


def names() -> list[str]:
    """The networks that can be trained, by torchvision's names."""
    return list(torchvision.models.list_models(module=torchvision.models))


def parameters(arch: str) -> int:
    """How many weights a network has with its 1000 outputs, as torchvision says."""
    return int(torchvision.models.get_model_weights(arch).DEFAULT.meta["num_params"])


def create(arch: str, labels: int, init: str = NONE) -> nn.Module:
    """Make a network for a number of labels.

    :param arch: torchvision's name of a classification network.
    :param labels: number of outputs.
    :param init: ``"imagenet"`` (torchvision's own download), ``"none"`` (random), or the path of a state dict that
        fits torchvision's network with its 1000 outputs exactly.
    :return: the network in training mode, its last layer new (and random) unless ``init`` is ``"none"``, where
        everything is. Auxiliary classifiers (``googlenet``, ``inception_v3``) are off.
    :raises TwinlensError: ``unknown_network``, ``download_failed``, or ``invalid_weights``.
    """
    _known(arch)
    network = _download(arch) if init == IMAGENET else _build(arch)
    if init not in (IMAGENET, NONE):
        _load(network, arch, Path(init))
    if getattr(network, "aux_logits", False):
        network.aux_logits = False  # type: ignore[assignment]
        for name in ("aux1", "aux2", "AuxLogits"):
            if hasattr(network, name):
                setattr(network, name, None)
    name, last = head(network)
    parent = network.get_submodule(name.rpartition(".")[0])
    new: nn.Module
    if isinstance(last, nn.Linear):
        new = nn.Linear(last.in_features, labels, bias=last.bias is not None)
    else:
        new = nn.Conv2d(last.in_channels, labels, kernel_size=1)
    setattr(parent, name.rpartition(".")[2], new)
    return network


def check(arch: str, init: str) -> None:
    """See early that a network and its initial weights are there.

    :raises TwinlensError: ``unknown_network``, or ``invalid_weights`` if the file or folder is not there.
    """
    _known(arch)
    if init not in (IMAGENET, NONE) and not Path(init).exists():
        raise TwinlensError(
            "invalid_weights",
            f"There are no initial weights at {init}. --init is 'imagenet', 'none', the path of a state dict, or the "
            "folder of a run or of a model, from which learning goes on.",
        )


def goes_on(init: str) -> bool:
    """Whether initial weights are those of a run or a model, from which learning goes on."""
    return init not in (IMAGENET, NONE) and Path(init).is_dir()


def head(network: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    """The layer whose outputs are the logits, with its name: the last linear or convolutional one."""
    layers = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    return layers[-1]


def init_sha256(arch: str, init: str) -> str | None:
    """SHA-256 of the file of initial weights that :func:`create` has read; ``None`` for ``"none"``."""
    if init == NONE:
        return None
    return hashlib.sha256((_downloaded(arch) if init == IMAGENET else Path(init)).read_bytes()).hexdigest()


def check_size(network: nn.Module, arch: str, size: int) -> None:
    """Try one input of a given size.

    :param arch: what the error calls it.
    :param size: height and width in pixels.
    :raises TwinlensError: ``invalid_arguments`` if the network cannot take it.
    """
    training = network.training
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 3, size, size))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise TwinlensError(
            "invalid_arguments",
            f"{arch} cannot take photos of {size} x {size} pixels ({str(error).splitlines()[0]}). Give a larger size, "
            "or the one it was made for (mostly 224) as both --image-size and --train-size.",
        ) from None
    finally:
        network.train(training)


def _known(arch: str) -> None:
    if arch not in names():
        close = difflib.get_close_matches(arch.lower(), names(), n=3, cutoff=0.4)
        raise TwinlensError(
            "unknown_network",
            f"torchvision has no classification network {arch!r}. "
            + (f"Did you mean: {', '.join(close)}?" if close else f"It has: {', '.join(names())}."),
        )


def _build(arch: str) -> nn.Module:
    builder = torchvision.models.get_model_builder(arch)
    options: dict[str, bool] = {}
    if arch in ("googlenet", "inception_v3"):
        # With `transform_input` the network takes pixels normalised as all the others do, which is how torchvision's
        # own weights for it are used; the auxiliary classifiers are in their files.
        options = {"aux_logits": True, "transform_input": True, "init_weights": True}
    network: nn.Module = builder(weights=None, **options)
    return network


def _download(arch: str) -> nn.Module:
    builder = torchvision.models.get_model_builder(arch)
    weights = torchvision.models.get_model_weights(arch).DEFAULT
    try:
        network: nn.Module = builder(weights=weights)
    except (OSError, RuntimeError) as error:  # urllib's errors are OSErrors; a wrong hash is a RuntimeError
        raise TwinlensError(
            "download_failed",
            f"The weights of {arch} could not be downloaded from {weights.url} ({error}). Try again, download them "
            "elsewhere and give the file as --init PATH, or train from nothing with --init none.",
        ) from error
    return network


def _downloaded(arch: str) -> Path:
    """Where torch.hub keeps the file that :func:`_download` has read."""
    url = torchvision.models.get_model_weights(arch).DEFAULT.url
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name


def _load(network: nn.Module, arch: str, path: Path) -> None:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise TwinlensError(
            "invalid_weights",
            f"The initial weights {path} cannot be read ({error.strerror}). --init is 'imagenet', 'none' or the path "
            "of a state dict.",
        ) from None
    except Exception as error:  # torch.load raises whatever the bytes led it to
        raise TwinlensError(
            "invalid_weights", f"{path} is no state dict that torch.load can read ({type(error).__name__})."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise TwinlensError(
            "invalid_weights", f"{path} holds no state dict: a dictionary of tensors, as `network.state_dict()` gives."
        )
    wrong = _mismatches(network.state_dict(), state)
    if wrong:
        more = f" and {len(wrong) - _SHOWN_KEYS} more" if len(wrong) > _SHOWN_KEYS else ""
        raise TwinlensError(
            "invalid_weights",
            f"{path} does not fit torchvision's {arch}: {'; '.join(wrong[:_SHOWN_KEYS])}{more}. "
            "Give the state dict of this very network, with its 1000 outputs.",
        )
    network.load_state_dict(state)


def _mismatches(wanted: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> list[str]:
    wrong = []
    for key, tensor in wanted.items():
        if key not in found:
            wrong.append(f"{key} is missing")
        elif found[key].shape != tensor.shape:
            wrong.append(f"{key} is {list(found[key].shape)} and must be {list(tensor.shape)}")
    return wrong + [f"{key} is not part of the network" for key in found if key not in wanted]


def to_input(pixels: torch.Tensor, normalize: Normalize, device: torch.device) -> torch.Tensor:
    """What a network takes, from pixels as they are stored.

    :param pixels: uint8 tensor of shape (N, height, width, 3), RGB.
    :return: float32 tensor of shape (N, 3, height, width) on the device, channels last in memory.
    """
    count, height, width, channels = pixels.shape
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (normalize.mean, normalize.std))
    # Whole rows and in place: over the three numbers of a pixel, or into new memory, it takes 25 times as long.
    scale, offset = ((each.float().to(device)).repeat(width) for each in (normalize.scale / std, -mean / std))
    rows = pixels.to(device, non_blocking=True).reshape(count * height, width * channels).float()
    return rows.mul_(scale).add_(offset).view(count, height, width, channels).permute(0, 3, 1, 2)
