"""The weights of a run on disk: ``best.pt``, which is exported, and ``last.pt``, from which a run goes on.

Both are written in one step, so that a process killed at any moment leaves a whole file.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import torch

from training.run import Run
from twinlens.errors import TwinlensError
from twinlens.store import write_atomically

BEST: Final = "best.pt"
LAST: Final = "last.pt"
_RECORD: Final = "record"


class Stateful(Protocol):
    """What has a state: a network, an optimiser, a schedule."""

    def state_dict(self) -> dict[str, Any]:
        """Its state."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Go back to a state."""


def gathered(parts: Mapping[str, Stateful], record: Run) -> dict[str, Any]:
    """The states of all that changes while a network learns, with the record of the run, for :func:`save`."""
    return {**{name: part.state_dict() for name, part in parts.items()}, _RECORD: record.model_dump_json()}


def handed_back(parts: Mapping[str, Stateful], state: Mapping[str, Any]) -> Run:
    """Take every part back to its state.

    :param state: from :func:`gathered` with the same parts.
    :return: the record of the run as it was then.
    """
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return Run.model_validate_json(state[_RECORD], strict=True)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values in one step.

    :param path: the file, whose folder is made if need be.
    :param state: what :func:`torch.load` can read with ``weights_only=True``.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def load(path: Path) -> dict[str, Any]:
    """Read what :func:`save` wrote, to the CPU.

    :raises TwinlensError: ``invalid_run`` if it is not there or cannot be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever the bytes led it to
        raise TwinlensError(
            "invalid_run",
            f"The checkpoint {path} cannot be read ({type(error).__name__}). Train (again), or give another run.",
        ) from error
    return state


def best_sha256(run: Path) -> str:
    """SHA-256 of the file that :func:`load_best` reads, which stands for the weights wherever they are recorded."""
    return hashlib.sha256((run / BEST).read_bytes()).hexdigest()


def load_best(run: Path) -> dict[str, torch.Tensor]:
    """The averaged (EMA) weights of the epoch that was best on validation.

    :param run: the run's folder.
    :return: a state dict for ``networks.create(run.arch, len(run.labels))``, float32 on the CPU.
    :raises TwinlensError: ``invalid_run`` if the run has none yet.
    """
    return load(run / BEST)
