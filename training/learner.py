"""All that changes while a network learns: its weights, their moving average, optimiser and schedule."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training import checkpoint, networks
from training.arguments import Arguments
from training.checkpoint import Stateful
from training.continuing import norms
from training.device import Precision
from training.freezing import early_layers, freeze
from training.run import Run


class Learner(NamedTuple):
    """The states of these make up a checkpoint, but for the layers that stand still, whose states are the network's."""

    network: nn.Module
    average: AveragedModel
    optimizer: torch.optim.AdamW
    schedule: OneCycleLR
    scaler: torch.amp.GradScaler
    still: list[nn.Module]

    def train(self) -> None:
        """Training mode, but for the layers whose batch-norm statistics stay as they are."""
        self.network.train()
        for layer in self.still:
            layer.eval()

    def state(self, record: Run) -> dict[str, Any]:
        """What :meth:`restore` takes."""
        return checkpoint.gathered(self._parts(), record)

    def restore(self, state: dict[str, Any]) -> Run:
        """Go back to a state.

        :return: the record of the run as it was then.
        """
        return checkpoint.handed_back(self._parts(), state)

    def _parts(self) -> dict[str, Stateful]:
        return {name: part for name, part in self._asdict().items() if name != "still"}


def start(
    arguments: Arguments,
    network: nn.Module,
    device: torch.device,
    precision: Precision,
    steps: int,
) -> Learner:
    """A network at its start, with AdamW, a rate for the body and one for the head, and one cycle of both.

    :param network: with its initial weights, or, for a run that goes on, with any.
    :param steps: batches in an epoch.
    :raises TwinlensError: ``invalid_arguments`` for a size that the network cannot take.
    """
    for size in sorted({*arguments.train_size, arguments.image_size}):
        networks.check_size(network, arguments.arch, size)
    network = network.to(memory_format=torch.channels_last).to(device)
    # Random weights are worth nothing to keep.
    stride = 0 if arguments.init == networks.NONE else arguments.freeze
    frozen = early_layers(network, arguments.image_size, stride)
    freeze(frozen)
    still = [*frozen, *norms(network)] if networks.goes_on(arguments.init) else frozen
    head = list(networks.head(network)[1].parameters())
    body = [
        parameter
        for parameter in network.parameters()
        if parameter.requires_grad and all(parameter is not of_head for of_head in head)
    ]
    rates = [arguments.lr_body, arguments.lr_head]
    optimizer = torch.optim.AdamW(
        [{"params": params, "lr": rate} for params, rate in zip([body, head], rates, strict=True)],
        weight_decay=arguments.weight_decay,
        fused=True,
    )
    # OneCycleLR divides by zero where the rate rises for one step only, or for all of them.
    total = max(arguments.epochs * steps, 4)
    rising = max(2, round(arguments.warmup * total))
    schedule = OneCycleLR(optimizer, rates, total_steps=total, pct_start=rising / total)
    average = AveragedModel(network, multi_avg_fn=moving_average(arguments.ema), use_buffers=True)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")
    return Learner(network, average, optimizer, schedule, scaler, still)


def moving_average(decay: float) -> Any:
    """The moving average of weights and batch-norm statistics.

    At first it forgets faster, as TensorFlow's ``ExponentialMovingAverage`` with ``num_updates`` does, so that the
    untrained head does not linger in it.
    """

    def update(averaged: Any, current: Any, count: torch.Tensor) -> None:
        steps = int(count)
        ema = get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))  # type: ignore[no-untyped-call]
        ema(averaged, current, count)

    return update
