"""The recipe: how a network learns the labels of a folder of photos, from the first file to the last checkpoint.

It reads from top to bottom: :class:`~training.arguments.Arguments` are its numbers, :func:`train` its steps. The
first layers keep their initial weights, the crops grow during the run, and finished runs may teach beside the labels.
The optimiser is AdamW with one cycle of the learning rate (Smith and Topin, arXiv 1708.07120), the augmentation
TrivialAugment (Müller and Hutter, arXiv 2103.10158) on random crops, and what is validated and kept is a moving
average of the weights. docs/decisions/009-recipe.md has the trials that led here.
All randomness is derived from the seed and the epoch, so a run that was killed and resumed ends with the weights of
one that was not.
"""

from __future__ import annotations

import random
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from training import checkpoint, networks
from training import device as devices
from training.arguments import Arguments
from training.continuing import begin
from training.curves import CURVES, draw
from training.data import VALIDATION, DataSet
from training.distributed import ALONE, Group
from training.evaluate import evaluate_logits, inherit, predictor, run_photos
from training.learner import Learner, start
from training.loading import load_epoch, say_held
from training.photos import Photos, derive_seed, open_reduced, served
from training.progress import bar, say
from training.rules import IMAGENET_MEAN, IMAGENET_STD, preprocessing
from training.run import Epoch, Run, git_commit, save, save_splits, to_resume, versions
from training.teaching import Teacher, open_teachers, scores, smoothed
from twinlens.errors import TwinlensError
from twinlens.inference import available_threads

# Photos are held at this multiple of the training size: the smallest crops are then hardly enlarged.
_HELD_SCALE: Final = 1.45
# These say where things lie and how fast it goes; a run may be resumed with others.
_FREE: Final = frozenset({"data", "out", "resume", "workers", "memory_mib"})


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
    budget = devices.photo_memory(arguments.memory_mib, group.local_size)
    held_edge = round(max(arguments.train_size) * _HELD_SCALE)
    budget_to_learn = budget - budget // 4
    data, photos = open_reduced(arguments.data, arguments.split_seed, held_edge, arguments.squeeze, budget_to_learn)
    for line in data.describe():
        say(line)
    record = going_on or _new_record(arguments, data, device, group)
    if record.data_digest != data.digest:
        raise TwinlensError(
            "invalid_data", f"{arguments.data} has changed since {arguments.out} was begun. Give another --out."
        )
    rules = preprocessing(record)
    validation = Photos(data.splits[VALIDATION], served(rules), budget // 4, "Decoding (validation)")
    say_held(photos, arguments.memory_mib)

    # The network, and what teaches it.
    teachers = open_teachers(arguments.teacher, data, arguments.train_size, device)
    if going_on and going_on.teachers != [teacher.taught for teacher in teachers]:
        raise TwinlensError(
            "invalid_arguments", f"The --teacher of {arguments.out} has changed since. Give another --out."
        )
    batch_size = min(arguments.batch_size, len(photos))
    group.part(batch_size)  # refused before the network is made
    last = arguments.out / checkpoint.LAST
    resuming = going_on is not None and last.is_file()
    init = networks.NONE if resuming else arguments.init
    _reseed(arguments.seed, 0)
    steps = len(photos) // batch_size
    beginning = begin(Path(init), arguments.arch, data.labels) if networks.goes_on(init) else None
    if beginning is not None:
        say(f"Learning goes on from {beginning.name}, which knows {beginning.known} of the {len(data.labels)} labels.")
    network = beginning.network if beginning else networks.create(arguments.arch, len(data.labels), init)
    learner = start(arguments, network, device, record.precision, steps)
    if resuming:
        record = learner.restore(checkpoint.load(last))
        say(f"Going on after epoch {len(record.epochs)}.")
    else:
        begun: dict[str, Any] = {
            "init_sha256": beginning.sha256 if beginning else networks.init_sha256(arguments.arch, init),
            "init_name": beginning and beginning.name,
            "teachers": [teacher.taught for teacher in teachers],
            "epochs": [],
            "finished": None,
        }
        record = record.model_copy(update=begun)
    if group.first:
        save(arguments.out, record)
    if group.first and not resuming:
        save_splits(arguments.out, data.paths(), data.rows)
        inherit(arguments.out, beginning.looks if beginning else [])
    learning = group.wrap(learner.network)

    # Epochs: learn, validate the average, keep the best one, and leave everything needed to go on.
    while record.finished is None:
        number = len(record.epochs) + 1
        _reseed(arguments.seed, number, group.rank)
        augment = _augmentation(arguments.size_in(number), arguments.crop_area)
        loader = load_epoch(photos, augment, arguments.seed, number, batch_size, device, arguments.workers, group)
        learned = _learn(learner, learning, teachers, loader, record, device, arguments, group)
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
            checkpoint.save(last, learner.state(record))
            save(arguments.out, record)
            _report(record, arguments.epochs)
    if group.first:
        draw(record, arguments.out / CURVES)
    return record


def _augmentation(size: int, area: float) -> v2.Transform:
    """What training sees of a photo: a random crop, flipped or not, with one random change of colour or shape.

    :param size: edge of the crop, in pixels.
    :param area: smallest part of the photo that a crop may show.
    """
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(area, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.TrivialAugmentWide(interpolation=v2.InterpolationMode.BILINEAR),
        ]
    )


def _learn(
    learner: Learner,
    learning: nn.Module,
    teachers: list[Teacher],
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
    learner.train()
    normalize = preprocessing(record).normalize
    criterion = nn.CrossEntropyLoss()  # of scores, not of labels
    weight = arguments.teaching if teachers else 0.0
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
                inputs = networks.to_input(pixels, normalize, device)
                wanted = smoothed(targets, len(record.labels), arguments.label_smoothing)
                if teachers:
                    wanted.lerp_(scores(teachers, inputs), weight)
                logits = learning(inputs)
                loss = criterion(logits, wanted)
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


def _reseed(seed: int, epoch: int, rank: int = 0) -> None:
    """Seed all randomness but that of the photos; processes that train together drop different units."""
    derived = derive_seed(seed, epoch, *([rank] if rank else []))
    torch.manual_seed(derived)
    np.random.seed(derived % 2**32)
    random.seed(derived)


def _as_recorded(arguments: Arguments) -> dict[str, Any]:
    """As JSON has them: paths as text, tuples as lists."""
    texts = {name: str(value) for name, value in asdict(arguments).items() if isinstance(value, Path)}
    lists = {"train_size": list(arguments.train_size), "teacher": [str(run) for run in arguments.teacher]}
    return asdict(arguments) | texts | lists


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
        squeeze=arguments.squeeze,
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
