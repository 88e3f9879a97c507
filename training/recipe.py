"""The recipe: how a network learns the labels of a folder of photos, from the first file to the last checkpoint.

It reads from top to bottom: :class:`Arguments` are its numbers, :func:`train` its steps. The optimiser is AdamW with
one cycle of the learning rate (Smith and Topin, arXiv 1708.07120), the augmentation TrivialAugment (Müller and
Hutter, arXiv 2103.10158) on random crops, and what is validated and kept is a moving average of the weights.
All randomness is derived from the seed and the epoch, so a run that was killed and resumed ends with the weights of
one that was not.
"""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from training import checkpoint, networks
from training import device as devices
from training.curves import CURVES, draw
from training.data import VALIDATION, DataSet
from training.distributed import ALONE, Group, PartSampler
from training.evaluate import evaluate_logits, predictor, run_photos
from training.photos import Augmented, Photos, derive_seed, open_reduced, served
from training.progress import bar, say
from training.rules import IMAGENET_MEAN, IMAGENET_STD, preprocessing
from training.run import Epoch, Run, git_commit, save, save_splits, to_resume, versions
from twinlens.errors import TwinlensError
from twinlens.inference import available_threads

# Photos are held at this multiple of the training size: the smallest crops are then hardly enlarged.
_HELD_SCALE: Final = 1.45
# These say where things lie and how fast it goes; a run may be resumed with others.
_FREE: Final = frozenset({"data", "out", "resume", "workers", "memory_mib"})


@dataclass(frozen=True)
class Arguments:
    """The numbers of the recipe. :mod:`training.train` explains each on the command line."""

    data: Path
    out: Path
    arch: str = "mobilenet_v2"
    init: str = networks.IMAGENET
    epochs: int = 16
    image_size: int = 224
    shorter_edge: int | None = None
    train_size: int = 176
    batch_size: int = 32
    lr_body: float = 5e-4
    lr_head: float = 2e-3
    weight_decay: float = 0.01
    warmup: float = 0.2
    label_smoothing: float = 0.1
    ema: float = 0.995
    crop_area: float = 0.35
    patience: int = 6
    seed: int = 0
    device: str = "auto"
    workers: int | None = None
    memory_mib: int = 4096
    resume: bool = False


class Learner(NamedTuple):
    """All that changes while a network learns; the states of these make up a checkpoint."""

    network: nn.Module
    average: AveragedModel
    optimizer: torch.optim.AdamW
    schedule: OneCycleLR
    scaler: torch.amp.GradScaler


def train(arguments: Arguments, group: Group = ALONE) -> Run:
    """Train a network and write its run folder.

    :param group: the processes that train together; each of them calls this with the same arguments.
    :return: the finished run.
    :raises TwinlensError: ``invalid_data``, ``already_exists``, ``invalid_arguments``, or an error of
        :func:`training.networks.create`.
    """
    going_on = group.share(
        lambda: to_resume(arguments.out, _as_recorded(arguments), arguments.resume, _FREE, group.size)
    )
    device = devices.choose(going_on.device if going_on else arguments.device, group.local_rank)
    threads = max(1, available_threads() // group.local_size)
    torch.set_num_threads(going_on.threads if going_on else threads)  # sums depend on how many add them
    networks.check(arguments.arch, arguments.init)  # before photos are read, which can take minutes

    # Photos: found and checked, then held in memory, those for validation as the server will show them.
    budget = (arguments.memory_mib << 20) // group.local_size
    held_edge = round(arguments.train_size * _HELD_SCALE)
    data, photos = open_reduced(arguments.data, arguments.seed, held_edge, budget - budget // 4)
    for line in data.describe():
        say(line)
    record = going_on or _new_record(arguments, data, device, group)
    if record.data_digest != data.digest:
        raise TwinlensError(
            "invalid_data", f"{arguments.data} has changed since {arguments.out} was begun. Give another --out."
        )
    rules = preprocessing(record)
    validation = Photos(data.splits[VALIDATION], served(rules), budget // 4, "Decoding (validation)")
    held = photos.held
    if held < len(photos):
        say(
            f"{held} of {len(photos)} photos to learn from fit --memory-mib {arguments.memory_mib}; the others "
            "are decoded anew in every epoch, which takes longer."
        )
    augment = v2.Compose(
        [
            v2.RandomResizedCrop(arguments.train_size, scale=(arguments.crop_area, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.TrivialAugmentWide(interpolation=v2.InterpolationMode.BILINEAR),
        ]
    )

    # The network, and what teaches it.
    batch_size = min(arguments.batch_size, len(photos))
    part = group.part(batch_size)
    last = arguments.out / checkpoint.LAST
    resuming = going_on is not None and last.is_file()
    init = networks.NONE if resuming else arguments.init
    learner = _learner(arguments, init, len(data.labels), device, record.precision, len(photos) // batch_size)
    if resuming:
        record = _restore(learner, checkpoint.load(last))
        say(f"Going on after epoch {len(record.epochs)}.")
    else:
        begun: dict[str, Any] = {
            "init_sha256": networks.init_sha256(arguments.arch, init),
            "epochs": [],
            "finished": None,
        }
        record = record.model_copy(update=begun)
    if group.first:
        save(arguments.out, record)
    if group.first and not resuming:
        save_splits(arguments.out, data.paths())
    learning = group.wrap(learner.network)

    # Epochs: learn, validate the average, keep the best one, and leave everything needed to go on.
    while record.finished is None:
        number = len(record.epochs) + 1
        _reseed(arguments.seed, number, group.rank)
        workers = devices.workers(arguments.workers, device, held == len(photos))
        loader = DataLoader(
            Augmented(photos, augment, arguments.seed, number),
            part,
            sampler=PartSampler(photos, batch_size, derive_seed(arguments.seed, number), group),
            num_workers=workers,
            multiprocessing_context="fork" if workers else None,
            pin_memory=device.type == "cuda",
        )
        learned = _learn(learner, learning, loader, record, device, arguments, group)
        started = time.monotonic()
        average = predictor(learner.average.module, rules.normalize, device)
        measured = group.share(lambda: evaluate_logits(*run_photos(average, validation, "Validation")))  # noqa: B023
        epoch = Epoch(
            epoch=number,
            validation_loss=measured["nll"],
            validation_top1=measured["top1"],
            validation_seconds=round(time.monotonic() - started, 3),
            **learned,
        )
        record = record.model_copy(update={"epochs": [*record.epochs, epoch]})
        record = record.model_copy(update={"finished": _why_finished(record, arguments)})
        if group.first:
            if record.best is epoch:
                checkpoint.save(arguments.out / checkpoint.BEST, learner.average.module.state_dict())
            checkpoint.save(last, _state(learner, record))
            save(arguments.out, record)
            _report(record, arguments.epochs)
    if group.first:
        draw(record, arguments.out / CURVES)
    return record


def _learner(
    arguments: Arguments, init: str, labels: int, device: torch.device, precision: devices.Precision, steps: int
) -> Learner:
    """The network at its start, its average, AdamW with a rate for the body and one for the head, and one cycle.

    :param steps: batches in an epoch.
    """
    _reseed(arguments.seed, 0)
    network = networks.create(arguments.arch, labels, init)
    for size in sorted({arguments.train_size, arguments.image_size}):
        networks.check_size(network, arguments.arch, size)
    network = network.to(memory_format=torch.channels_last).to(device)
    head = list(networks.head(network)[1].parameters())
    body = [parameter for parameter in network.parameters() if all(parameter is not of_head for of_head in head)]
    rates = [arguments.lr_body, arguments.lr_head]
    optimizer = torch.optim.AdamW(
        [{"params": params, "lr": rate} for params, rate in zip([body, head], rates, strict=True)],
        weight_decay=arguments.weight_decay,
    )
    # OneCycleLR divides by zero where the rate rises for one step only, or for all of them.
    total = max(arguments.epochs * steps, 4)
    rising = max(2, round(arguments.warmup * total))
    schedule = OneCycleLR(optimizer, rates, total_steps=total, pct_start=rising / total)
    average = AveragedModel(network, multi_avg_fn=_average(arguments.ema), use_buffers=True)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")
    return Learner(network, average, optimizer, schedule, scaler)


def _average(decay: float) -> Any:
    """The moving average of weights and batch-norm statistics.

    At first it forgets faster, as TensorFlow's ``ExponentialMovingAverage`` with ``num_updates`` does, so that the
    untrained head does not linger in it.
    """

    def update(averaged: Any, current: Any, count: torch.Tensor) -> None:
        steps = int(count)
        ema = get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))  # type: ignore[no-untyped-call]
        ema(averaged, current, count)

    return update


def _learn(
    learner: Learner,
    learning: nn.Module,
    loader: DataLoader[Any],
    record: Run,
    device: torch.device,
    arguments: Arguments,
    group: Group,
) -> dict[str, float]:
    """One epoch of learning.

    :param learning: the learner's network, as its gradients are averaged over the group.
    :return: the fields of :class:`~training.run.Epoch` that it measures.
    :raises TwinlensError: ``invalid_arguments`` if the loss is no longer a finite number.
    """
    learning.train()
    normalize = preprocessing(record).normalize
    criterion = nn.CrossEntropyLoss(label_smoothing=arguments.label_smoothing)
    total_loss, correct, seen, waited = torch.zeros((), device=device), torch.zeros((), device=device), 0, 0.0
    started = time.monotonic()
    what = f"Epoch {len(record.epochs) + 1}/{arguments.epochs}"
    with bar(len(loader) * int(loader.batch_size or 1) * group.size, what) as progress:
        batches = iter(loader)
        for step in range(len(loader)):
            before = time.monotonic()
            pixels, targets = next(batches)
            waited += time.monotonic() - before
            targets = targets.to(device, non_blocking=True)
            with torch.autocast(device.type, getattr(torch, record.precision), enabled=record.precision != "float32"):
                logits = learning(networks.to_input(pixels, normalize, device))
                loss = criterion(logits, targets)
            learner.optimizer.zero_grad()
            learner.scaler.scale(loss).backward()
            learner.scaler.step(learner.optimizer)
            learner.scaler.update()
            learner.schedule.step()
            learner.average.update_parameters(learner.network)
            total_loss += loss.detach() * len(targets)
            correct += (logits.detach().argmax(dim=1) == targets).sum()
            seen += len(targets)
            if step % 10 == 0:  # reading a number back makes a GPU wait
                progress.set_postfix(
                    {"loss": f"{float(total_loss) / seen:.3f}", "top-1": f"{float(correct) / seen:.3f}"}, refresh=False
                )
            progress.update(len(targets) * group.size)
    seen *= group.size
    mean_loss = float(group.sum(total_loss)) / seen
    if not np.isfinite(mean_loss):
        raise TwinlensError(
            "invalid_arguments", f"The loss became {mean_loss}. Train with a lower --lr-body and --lr-head."
        )
    return {
        "lr_body": learner.optimizer.param_groups[0]["lr"],
        "lr_head": learner.optimizer.param_groups[1]["lr"],
        "train_loss": mean_loss,
        "train_top1": float(group.sum(correct)) / seen,
        "train_seconds": round(time.monotonic() - started, 3),
        "data_seconds": round(waited, 3),
    }


def _state(learner: Learner, record: Run) -> dict[str, Any]:
    states = {name: part.state_dict() for name, part in learner._asdict().items()}
    return {**states, "record": record.model_dump_json()}


def _restore(learner: Learner, state: dict[str, Any]) -> Run:
    for name, part in learner._asdict().items():
        part.load_state_dict(state[name])
    return Run.model_validate_json(state["record"], strict=True)


def _reseed(seed: int, epoch: int, rank: int = 0) -> None:
    """Seed all randomness but that of the photos; processes that train together drop different units."""
    derived = derive_seed(seed, epoch, *([rank] if rank else []))
    torch.manual_seed(derived)
    np.random.seed(derived % 2**32)
    random.seed(derived)


def _as_recorded(arguments: Arguments) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(arguments).items()}


def _new_record(arguments: Arguments, data: DataSet, device: torch.device, group: Group) -> Run:
    return Run(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        arguments=_as_recorded(arguments),
        arch=arguments.arch,
        labels=data.labels,
        seed=arguments.seed,
        data=str(arguments.data.resolve()),
        data_digest=data.digest,
        counts=data.counts,
        left_out=data.names_left_out(),
        shorter_edge=arguments.shorter_edge or arguments.image_size,
        crop=arguments.image_size,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        init=arguments.init,
        init_sha256=None,
        device=str(device),
        precision=devices.precision(device),
        threads=torch.get_num_threads(),
        processes=group.size,
        versions=versions(),
        git_commit=git_commit(),
    )


def _why_finished(record: Run, arguments: Arguments) -> str | None:
    done, best = len(record.epochs), record.best
    if done >= arguments.epochs:
        return "all epochs are done"
    if best is not None and done - best.epoch >= arguments.patience:
        return f"no epoch since {best.epoch} was better on validation"
    return None


def _report(record: Run, epochs: int) -> None:
    epoch, best = record.epochs[-1], record.best
    seconds = [done.train_seconds + done.validation_seconds for done in record.epochs]
    left = (epochs - epoch.epoch) * sum(seconds) / len(seconds)
    say(
        f"epoch {epoch.epoch}/{epochs}: loss {epoch.train_loss:.3f}, top-1 {epoch.train_top1:.3f}; "
        f"validation loss {epoch.validation_loss:.3f}, top-1 {epoch.validation_top1:.4f}"
        + (" (best)" if epoch is best else f" (best: {best.validation_top1:.4f}, epoch {best.epoch})" if best else "")
        + f"; {seconds[-1]:.0f} s, {left / 60:.0f} min left"
    )
    if record.finished:
        say(f"Finished: {record.finished}.")
