"""Learning from other networks' answers beside the labels: knowledge distillation (Hinton et al., arXiv 1503.02531).

Teachers see the very crops that the learner sees (Beyer et al., arXiv 2106.05237), and what is learned from is the mean
of their scores. A wrong label in the folder weighs less where they doubt it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from training import checkpoint, networks
from training.data import DataSet
from training.progress import say
from training.run import Taught, load
from twinlens.errors import TwinlensError


class Teacher(NamedTuple):
    """A network that teaches, and what is recorded of it."""

    network: nn.Module
    taught: Taught


def open_teachers(runs: Sequence[Path], data: DataSet, sizes: Collection[int], device: torch.device) -> list[Teacher]:
    """Open the best weights of training runs, of any network.

    :param runs: their folders.
    :param data: the photos that will be learned from.
    :param sizes: edges of the crops that they will see, in pixels.
    :raises TwinlensError: ``invalid_run``, or ``invalid_arguments`` if one is not finished, answers with other labels,
        or cannot take crops of these sizes.
    """
    teachers = []
    for run in runs:
        record = load(run)
        if record.finished is None:
            raise TwinlensError("invalid_arguments", f"{run} is not finished. Go on with it: train … --resume.")
        if record.labels != data.labels:
            raise TwinlensError(
                "invalid_arguments",
                f"The teacher {run} answers with other labels ({', '.join(record.labels)}) than {data.path} has "
                f"({', '.join(data.labels)}). Give a run that was trained on the same labels.",
            )
        if record.data_digest != data.digest:
            say(
                f"Note: {run} was trained on other photos than {data.path} has now. If photos of validation or test "
                "are among them, the figures will look better than they are."
            )
        network = networks.create(record.arch, len(record.labels))
        network.load_state_dict(checkpoint.load_best(run))
        for size in sorted(set(sizes)):
            networks.check_size(network, f"The teacher {run} ({record.arch})", size)
        network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last).to(device)
        teachers.append(Teacher(network, Taught(arch=record.arch, sha256=checkpoint.best_sha256(run))))
    return teachers


def scores(teachers: Sequence[Teacher], inputs: torch.Tensor) -> torch.Tensor:
    """The mean of the teachers' scores.

    :param inputs: what a network takes, of shape (N, 3, height, width).
    :return: float32 of shape (N, labels), each row summing to 1.
    """
    with torch.no_grad():
        return torch.stack([teacher.network(inputs).float().softmax(dim=1) for teacher in teachers]).mean(dim=0)


def smoothed(targets: torch.Tensor, labels: int, smoothing: float) -> torch.Tensor:
    """Right labels as scores.

    :param targets: indices of shape (N,).
    :param smoothing: part of each row's sum that is spread over all labels (Szegedy et al., arXiv 1512.00567).
    :return: float32 of shape (N, labels).
    """
    return F.one_hot(targets, labels).float() * (1 - smoothing) + smoothing / labels
