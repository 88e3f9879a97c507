"""What a network that has not seen these photos makes of each: the vector that its last layer reads.

The network must not have learned from the photos. One that has knows their labels, the wrong ones too, so nothing would
look doubtful; weights from ImageNet have not.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from training import networks
from training.files import decode_in_turn, quiet
from training.progress import bar
from training.rules import standard
from twinlens.dataset.kept import kept, read_listed
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.inference import available_threads
from twinlens.preprocess import prepare

ARCH: Final = "mobilenet_v2"

_BATCH: Final = 32
_EDGE: Final = 224
# The recipe's own: the whole of a 4:3 photo is seen.
_SQUEEZE: Final = 1.25


def embeddings(
    folder: Path, rows: Sequence[Row], arch: str = ARCH, init: str = networks.IMAGENET
) -> NDArray[np.float32]:
    """The embedding of each photo, computed once for each photo and network.

    :param arch: torchvision's name of the network.
    :param init: its weights, as for :func:`training.networks.create`; random ones are the same every time.
    :return: float32 array of shape (photos, size).
    :raises TwinlensError: as :func:`training.networks.create` does; ``invalid_data`` if a photo cannot be read.
    """
    networks.check(arch, init)
    quiet()
    torch.manual_seed(0)
    network = networks.create(arch, 2, init).eval()
    weights = networks.init_sha256(arch, init)
    heard: list[torch.Tensor] = []
    networks.head(network)[1].register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0].detach()))
    rules = standard(_EDGE, _EDGE, squeeze=_SQUEEZE)
    torch.set_num_threads(available_threads())

    def pixels(row: Row) -> NDArray[np.uint8]:
        try:
            return prepare(decode_in_turn(read_listed(folder, row), rules), rules)
        except (OSError, TwinlensError) as error:
            why = error.detail if isinstance(error, TwinlensError) else error.strerror
            raise TwinlensError(
                "invalid_data", f"{row.path} cannot be used ({why}). Run `python -m training data verify` first."
            ) from None

    def compute(part: Sequence[Row]) -> NDArray[Any]:
        found = []
        with (
            ThreadPoolExecutor(available_threads()) as pool,
            bar(len(part), "Embeddings") as progress,
            torch.inference_mode(),
        ):
            for start in range(0, len(part), _BATCH):
                batch = np.stack(list(pool.map(pixels, part[start : start + _BATCH])))
                network(networks.to_input(torch.from_numpy(batch), rules.normalize, torch.device("cpu")))
                vectors = heard.pop()
                # A last layer that is a convolution reads a map: its average is the vector.
                found.append(vectors.mean((2, 3)).numpy() if vectors.ndim == 4 else vectors.numpy())
                progress.update(len(batch))
        return np.concatenate(found).astype(np.float16)  # half the memory; the difference decides nothing

    name = f"embedding-{arch}-{weights[:12] if weights else init}"
    return kept(folder, name, rows, compute, 1024).astype(np.float32)
