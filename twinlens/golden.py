"""Golden vectors: made pictures with the answers that every runtime must give.

Each version carries a few small pictures of its own making, the digest of the uint8 input that they become and the
logits that the trained network gives for it. Export, server start-up, Python tests and the page's tests replay the
same file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinlens.decode import Limits
from twinlens.errors import TwinlensError
from twinlens.inference import Network
from twinlens.preprocess import load
from twinlens.store import ModelVersion


@dataclass(frozen=True)
class Case:
    """One golden picture: its file, the SHA-256 of the (height, width, 3) uint8 input, and float32 logits (labels,)."""

    name: str
    image: str
    input_sha256: str
    logits: NDArray[np.float32]

    def to_json(self) -> dict[str, Any]:
        """The case as it stands in the golden file."""
        return {
            "name": self.name,
            "image": self.image,
            "input_sha256": self.input_sha256,
            "logits": [float(value) for value in self.logits],
        }


def input_sha256(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of an input's bytes, rows first, RGB."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def dump(cases: list[Case]) -> bytes:
    """The bytes of a golden file."""
    return (json.dumps({"cases": [case.to_json() for case in cases]}, indent=1) + "\n").encode()


def cases(version: ModelVersion) -> Iterator[Case]:
    """Read a version's golden cases.

    :raises TwinlensError: ``invalid_model`` if they are not those whose digest the contract holds, or there is none.
    """
    data = version.read(version.contract.golden.path)
    found = json.loads(data)["cases"]
    if hashlib.sha256(data).hexdigest() != version.contract.golden.sha256 or not found:
        raise TwinlensError(
            "invalid_model",
            f"{version.path}: the golden file has no case, or is another than the contract's. Export the model again.",
        )
    for case in found:
        yield Case(case["name"], case["image"], case["input_sha256"], np.asarray(case["logits"], np.float32))


def relative_error(found: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """``max |difference| / max |expected|``, the error measure of every conversion test."""
    difference = np.abs(np.asarray(found, np.float64) - np.asarray(expected, np.float64)).max()
    return float(difference / np.abs(expected).max())


def check(network: Network, *, only_first: bool = False) -> None:
    """Run golden cases through decode, preprocessing and the network.

    :param only_first: run one case, enough for a server's warm-up.
    :raises TwinlensError: ``invalid_model`` if an input's pixels or its logits are not the golden ones.
    """
    version = network.version
    tolerance = version.contract.golden.tolerances.logits
    for case in cases(version):
        pixels = load(version.read(case.image), version.contract, Limits())
        if input_sha256(pixels) != case.input_sha256:
            raise TwinlensError(
                "invalid_model",
                f"{version.path}: golden case {case.name!r} becomes other pixels here than where it was exported. "
                "This Pillow resamples differently: install the version that requirements/serve.txt pins.",
            )
        error = relative_error(network.logits(pixels[None])[0], case.logits)
        if not error <= tolerance:
            raise TwinlensError(
                "invalid_model",
                f"{version.path}: golden case {case.name!r} gives logits that are off by {error:.1e} "
                f"(at most {tolerance:g}). Export the model again.",
            )
        if only_first:
            return


def check_whole(network: Network) -> None:
    """See that a version is there whole, its files for the page too, and gives every golden answer.

    :raises TwinlensError: ``invalid_model`` naming the first file or golden case that is not the contract's.
    """
    for file in network.contract.files:
        network.version.read(file.path)
    check(network)
