"""Tuning a trained network for integer weights, so that rounding them to few bits changes few of its answers.

Quantisation-aware training in its plainest form (Nagel et al., arXiv 2106.08295, section 4): the forward pass runs on
weights rounded just as an export rounds them, the gradient passes through the rounding as if it were not there, and
what is learned is the network's own answers before it was rounded (Polino et al., arXiv 1802.05668), not the labels.
It works on the deployed graph, whose norms are folded already, and ends with a run whose weights *are* the rounded
ones, put back into torchvision's network: measured or exported, they are what the tuning saw. Like a training, a run
that was killed and resumed ends with the weights of one that was not.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from training import checkpoint, networks
from training import device as devices
from training.curves import CURVES, draw
from training.data import TRAIN, VALIDATION, DataSet
from training.deploy import Deployed, deploy
from training.evaluate import evaluate_logits, inherit, predictor, run_photos
from training.loading import load_epoch, say_held
from training.photos import Held, Photos, reduced, served
from training.progress import bar, say
from training.rounding import best_scales, bits_by_name, integer_bits, round_weights, straight_through
from training.run import Epoch, Run, Tuned, git_commit, refuse_among_photos, save, save_splits, to_resume, versions
from training.source import Source, open_source
from training.target import open_photos
from training.unfolding import unfold
from twinlens.errors import TwinlensError
from twinlens.inference import available_threads

# These say where things lie and how fast it goes; a run may be resumed with others.
_FREE: Final = frozenset({"data", "out", "resume", "workers", "memory_mib"})
# Weights move little in so many steps; looking for scales takes as long as a tenth of a step.
_STEPS_BETWEEN_SCALES: Final = 16


@dataclass(frozen=True)
class Tuning:
    """What a tuning is begun with; ``run.json`` records all of it."""

    source: Path
    out: Path
    weights: str
    data: Path | None = None
    epochs: int = 2
    lr: float = 5e-5
    batch_size: int = 32
    train_size: int | None = None
    """Edge of the crops in pixels; by default that of the served input."""
    crop_area: float = 0.5
    seed: int = 0
    split_seed: int = 0
    device: str = "auto"
    workers: int | None = None
    memory_mib: int = 4096
    resume: bool = False


def tune(tuning: Tuning) -> Run:
    """Tune a network and write its run folder.

    :return: the finished run.
    :raises TwinlensError: ``invalid_data``, ``already_exists``, ``invalid_arguments``, or an error of
        :func:`training.source.open_source` and :func:`training.deploy.deploy`.
    """
    bits = integer_bits(tuning.weights)
    if bits is None:
        raise TwinlensError(
            "invalid_arguments",
            f"--weights {tuning.weights} rounds too finely to need tuning. Export with it, or choose integers.",
        )
    going_on = to_resume(tuning.out, _as_recorded(tuning), tuning.resume, _FREE)
    device = devices.choose(going_on.device if going_on else tuning.device)
    # Sums depend on how many threads add them.
    torch.set_num_threads(going_on.threads if going_on else available_threads())
    source = open_source(tuning.source)
    if going_on and (going_on.tuned is None or going_on.tuned.sha256 != source.target.digest):
        raise TwinlensError(
            "invalid_arguments", f"{tuning.source} is not what {tuning.out} was begun with. Give another --out."
        )
    if tuning.data is None and source.target.run is not None:
        refuse_among_photos(tuning.out, Path(source.target.run.data))

    # The network that learns, and the one that it learns from.
    rules = source.target.rules
    size = (rules.crop.height, rules.crop.width)
    edge = tuning.train_size or max(size)
    teacher = deploy(source.network, size, rules.normalize, "float32").to(memory_format=torch.channels_last)
    _check_size(teacher, edge)
    # What cannot be put back into torchvision's network is refused now, not after photos were read for minutes.
    empty = networks.create(source.target.architecture, len(source.target.labels))
    unfold(empty, teacher.network.state_dict(), size, rules.normalize)

    # Photos: held in memory at a size from which the smallest crops need not be enlarged.
    budget = devices.photo_memory(tuning.memory_mib)
    held_edge, squeeze = math.ceil(edge / math.sqrt(tuning.crop_area)), rules.resize.squeeze
    held = Held(budget - budget // 4)
    data = open_photos(
        source.target,
        tuning.data,
        other_data=False,
        seed=tuning.split_seed,
        read=lambda file, content: held.put(file, reduced(content, held_edge, squeeze)),
    )
    photos = Photos(
        data.splits[TRAIN],
        lambda file: reduced(file.read_bytes(), held_edge, squeeze),
        held,
        "Decoding (train)",
    )
    validation = Photos(data.splits[VALIDATION], served(rules), budget // 4, "Decoding (validation)")
    for line in data.describe():
        say(line)
    say_held(photos, tuning.memory_mib)

    batch_size = min(tuning.batch_size, len(photos))
    learner = Learner(teacher.to(device), tuning, bits, len(photos) // batch_size)

    def measure(network: nn.Module) -> tuple[dict[str, Any], Any]:
        predict = predictor(network.to(device), rules.normalize, device)
        logits, targets = run_photos(predict, validation, "Validation")
        return evaluate_logits(logits, targets), logits.argmax(axis=1)

    def rounded() -> nn.Module:
        """The rounded weights in torchvision's network, which is what is measured, kept and exported."""
        network = networks.create(source.target.architecture, len(data.labels))
        return unfold(network, learner.rounded(), size, rules.normalize)

    before, answers = measure(source.network)
    last = tuning.out / checkpoint.LAST
    resuming = going_on is not None and last.is_file()
    if resuming:
        record = learner.restore(checkpoint.load(last))
        say(f"Going on after epoch {len(record.epochs)}.")
    else:
        at_first, answers_at_first = measure(rounded())
        say(
            f"validation top-1 {before['top1']:.4f} before rounding; rounded to {tuning.weights} {at_first['top1']:.4f}"
            f", {(answers != answers_at_first).sum()} of {len(answers)} answers changed"
        )
        record = _new_record(tuning, source, data, device, before["top1"], at_first["top1"])
    save(tuning.out, record)
    if not resuming:
        save_splits(tuning.out, data.paths(), data.rows)
        inherit(tuning.out, source.looks)

    # Epochs: learn, round, validate what was rounded, keep the best, and leave everything needed to go on.
    while record.finished is None:
        number = len(record.epochs) + 1
        crops = _crops(edge, tuning.crop_area)
        loader = load_epoch(photos, crops, tuning.seed, number, batch_size, device, tuning.workers)
        learned = _learn(learner, teacher, loader, f"Epoch {number}/{tuning.epochs}", device)
        started = time.monotonic()
        network = rounded()
        measured, answered = measure(network)
        epoch = Epoch(
            epoch=number,
            validation_loss=measured["nll"],
            validation_top1=measured["top1"],
            validation_seconds=round(time.monotonic() - started, 3),
            **learned,
        )
        finished = "all epochs are done" if number >= tuning.epochs else None
        record = record.model_copy(update={"epochs": [*record.epochs, epoch], "finished": finished})
        if record.best is epoch:
            checkpoint.save(tuning.out / checkpoint.BEST, network.cpu().state_dict())
        checkpoint.save(last, learner.state(record))
        save(tuning.out, record)
        say(
            f"epoch {number}/{tuning.epochs}: loss {epoch.train_loss:.4f}; validation top-1 {epoch.validation_top1:.4f}"
            f"{' (best)' if record.best is epoch else ''}, {(answers != answered).sum()} of {len(answers)} answers "
            f"changed; {epoch.train_seconds + epoch.validation_seconds:.0f} s"
        )
    draw(record, tuning.out / CURVES)
    return record


class Learner:
    """All that changes while a network is tuned: its weights before rounding, optimiser and schedule.

    :param deployed: the graph to begin with, unrounded; it is not changed.
    :param bits: of all but the smallest weights.
    :param steps: batches in an epoch.
    """

    def __init__(self, deployed: Deployed, tuning: Tuning, bits: int, steps: int) -> None:
        self.network: nn.Module = copy.deepcopy(deployed.network).requires_grad_(True)
        self._weights = tuning.weights
        self._bits = bits_by_name(self.network, bits)
        self._scales: dict[str, torch.Tensor] = {}
        self.optimizer = torch.optim.AdamW(self.network.parameters(), tuning.lr, weight_decay=0.0, fused=True)
        self.schedule = CosineAnnealingLR(self.optimizer, max(1, tuning.epochs * steps))

    def find_scales(self) -> None:
        """Fit the scales to the weights as they are now."""
        parameters = dict(self.network.named_parameters())
        self._scales = {name: best_scales(parameters[name], bits) for name, bits in self._bits.items()}

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the network answers with rounded weights, at the scales that were found last."""
        parameters = dict(self.network.named_parameters())
        weights = {
            name: straight_through(parameters[name], self._scales[name], bits) for name, bits in self._bits.items()
        }
        logits: torch.Tensor = functional_call(self.network, weights, (inputs,))[0]
        return logits

    def rounded(self) -> dict[str, torch.Tensor]:
        """The weights as an export would round them now, by their name in the deployed graph, on the CPU."""
        network = copy.deepcopy(self.network).cpu()
        round_weights(network, self._weights)
        return network.state_dict()

    def state(self, record: Run) -> dict[str, Any]:
        """What :meth:`restore` takes."""
        return checkpoint.gathered(self._parts(), record)

    def restore(self, state: dict[str, Any]) -> Run:
        """Go back to a state.

        :return: the record of the run as it was then.
        """
        return checkpoint.handed_back(self._parts(), state)

    def _parts(self) -> dict[str, checkpoint.Stateful]:
        return {"network": self.network, "optimizer": self.optimizer, "schedule": self.schedule}


def _learn(
    learner: Learner, teacher: Deployed, loader: DataLoader[Any], what: str, device: torch.device
) -> dict[str, float]:
    """One epoch of learning.

    :return: the fields of :class:`~training.run.Epoch` that it measures.
    :raises TwinlensError: ``invalid_arguments`` if the loss is no longer a finite number.
    """
    total_loss, correct, seen, waited = torch.zeros((), device=device), torch.zeros((), device=device), 0, 0.0
    started = time.monotonic()
    with bar(len(loader) * int(loader.batch_size or 1), what) as progress:
        batches = iter(loader)
        for step in range(len(loader)):
            before = time.monotonic()
            pixels, targets = next(batches)
            waited += time.monotonic() - before
            targets = targets.to(device, non_blocking=True)
            if step % _STEPS_BETWEEN_SCALES == 0:
                learner.find_scales()
            inputs = teacher.normalised(pixels.to(device, non_blocking=True))
            with torch.no_grad():
                wanted = teacher.network(inputs)[0].log_softmax(dim=1)
            logits = learner.logits(inputs)
            loss = F.kl_div(logits.log_softmax(dim=1), wanted, reduction="batchmean", log_target=True)
            learner.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            learner.optimizer.step()
            learner.schedule.step()
            total_loss += loss.detach() * len(targets)
            correct += (logits.detach().argmax(dim=1) == targets).sum()
            seen += len(targets)
            if step % 10 == 0:  # reading a number back makes a GPU wait
                progress.set_postfix({"loss": f"{float(total_loss) / seen:.4f}"}, refresh=False)
            progress.update(len(targets))
    mean_loss = float(total_loss) / seen
    if not math.isfinite(mean_loss):
        raise TwinlensError("invalid_arguments", f"The loss became {mean_loss}. Tune with a lower --lr.")
    rate = learner.optimizer.param_groups[0]["lr"]
    return {
        "lr_body": rate,
        "lr_head": rate,
        "train_loss": mean_loss,
        "train_top1": float(correct) / seen,
        "train_seconds": round(time.monotonic() - started, 3),
        "data_seconds": round(waited, 3),
    }


def _crops(size: int, area: float) -> v2.Transform:
    """What tuning sees of a photo: little else than what is served, since the labels are not to be learned."""
    return v2.Compose([v2.RandomResizedCrop(size, scale=(area, 1.0)), v2.RandomHorizontalFlip()])


def _check_size(deployed: Deployed, edge: int) -> None:
    try:
        with torch.inference_mode():
            deployed(torch.zeros(1, edge, edge, 3, dtype=torch.uint8))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise TwinlensError(
            "invalid_arguments",
            f"The network cannot take crops of {edge} x {edge} pixels ({str(error).splitlines()[0]}). Leave "
            "--train-size out.",
        ) from None


def _as_recorded(tuning: Tuning) -> dict[str, Any]:
    """As JSON has them: paths as text."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(tuning).items()}


def _new_record(
    tuning: Tuning, source: Source, data: DataSet, device: torch.device, float_top1: float, rounded_top1: float
) -> Run:
    target = source.target
    rules = target.rules
    return Run(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        arguments=_as_recorded(tuning),
        arch=target.architecture,
        labels=list(target.labels),
        seed=tuning.seed,
        data=str(data.path.resolve()),
        data_digest=data.digest,
        counts=data.counts,
        left_out=data.names_left_out(),
        shorter_edge=rules.resize.shorter_edge,
        squeeze=rules.resize.squeeze,
        crop=rules.crop.height,
        mean=rules.normalize.mean,
        std=rules.normalize.std,
        init=str(tuning.source),
        init_sha256=source.sha256,
        device=str(device),
        precision="float32",
        threads=torch.get_num_threads(),
        processes=1,
        versions=versions(),
        git_commit=git_commit(),
        tuned=Tuned(
            weights=tuning.weights,
            source=source.name,
            sha256=target.digest,
            origin=source.origin,
            float_top1=float_top1,
            rounded_top1=rounded_top1,
        ),
    )
