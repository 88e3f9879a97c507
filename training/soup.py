"""The command ``python -m training soup``: the weights of several finished runs, averaged.

Runs that began from the same trained weights and differ in their seed or their numbers mostly end in one basin of the
loss: the mean of their weights answers about as well as all of them together, and costs as much as one ("model soups",
Wortsman et al., arXiv 2203.05482). The soup is greedy: run after run, best first, is put in and stays if the loss on
validation falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from training import checkpoint, networks
from training.calibration import fit_temperature
from training.data import VALIDATION, reopen
from training.evaluate import evaluate_logits, inherit, measurements_from, predictor, run_photos
from training.photos import Photos, served
from training.progress import say
from training.rules import preprocessing
from training.run import (
    Ingredient,
    Run,
    git_commit,
    load,
    load_splits,
    refuse_among_photos,
    save,
    save_splits,
    versions,
)
from twinlens.dataset import manifest
from twinlens.errors import TwinlensError

State = dict[str, torch.Tensor]

# What must be the same in all runs, for their weights to be of one network that answers one question.
_SAME: Final = ("arch", "labels", "data_digest", "init_sha256", "shorter_edge", "squeeze", "crop", "mean", "std")
_VALIDATION_BYTES: Final = 1 << 30


def add_parser(commands: Any) -> None:
    """Declare the command.

    :param commands: what :meth:`argparse.ArgumentParser.add_subparsers` gave.
    """
    parser = commands.add_parser(
        "soup",
        help="average the weights of several runs into one",
        description="Average the weights of runs that began from the same trained weights, on the same photos, as long "
        "as the loss on validation falls. What comes of it is a run: evaluate and export it.",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of finished runs, at least two")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new run, made anew")
    parser.add_argument("--data", type=Path, help="folder of photos (by default the one of the first run)")
    parser.set_defaults(func=lambda options: say(str(soup(options.runs, options.out, options.data))))


def soup(runs: Sequence[Path], out: Path, data: Path | None = None) -> Path:
    """Average what helps.

    :param runs: folders of runs, in any order.
    :param out: folder of the new run.
    :param data: where the photos are now, if not where they were.
    :return: ``out``.
    :raises TwinlensError: ``invalid_arguments`` if the runs do not go together, ``already_exists``, ``invalid_run``, or
        ``invalid_data``.
    """
    if out.exists():
        raise TwinlensError("already_exists", f"{out} exists already. Give another --out.")
    if len({run.resolve() for run in runs}) < max(len(runs), 2):
        raise TwinlensError("invalid_arguments", "A soup is made of two runs at least, each given once.")
    records = [load(run) for run in runs]
    for run, record in zip(runs, records, strict=True):
        _check(run, record, runs[0], records[0])
    first = records[0]
    refuse_among_photos(out, data or Path(first.data))
    states = [checkpoint.load_best(run) for run in runs]
    photos = reopen(runs[0], first, data)
    rules = preprocessing(first)
    validation = Photos(photos.splits[VALIDATION], served(rules), _VALIDATION_BYTES, "Decoding (validation)")
    network = networks.create(first.arch, len(first.labels)).to(memory_format=torch.channels_last)

    def measure(state: State) -> dict[str, Any]:
        network.load_state_dict(state)
        logits, targets = run_photos(predictor(network, rules.normalize, torch.device("cpu")), validation, "Validation")
        return evaluate_logits(logits, targets, fit_temperature(logits, targets))

    alone = [measure(state) for state in states]
    order = np.argsort([found["nll"] for found in alone], kind="stable").tolist()
    kept, mixed, best = order[:1], states[order[0]], alone[order[0]]
    say(f"{runs[order[0]]}: {_said(best)}")
    for index in order[1:]:
        tried = average([states[number] for number in [*kept, index]])
        found = measure(tried)
        better = found["nll"] < best["nll"]
        say(f"with {runs[index]} ({_said(alone[index])}): {_said(found)}{', kept' if better else ', left out'}")
        if better:
            kept, mixed, best = [*kept, index], tried, found
    ingredients = [
        Ingredient(
            run=runs[index].name,
            sha256=checkpoint.best_sha256(runs[index]),
            seed=records[index].seed,
            epochs=len(records[index].epochs),
            validation_top1=alone[index]["top1"],
            validation_loss=alone[index]["nll"],
            kept=index in kept,
        )
        for index in order
    ]
    checkpoint.save(out / checkpoint.BEST, mixed)
    save_splits(out, load_splits(runs[0]), manifest.read(runs[0]))
    looks = [look for run in runs for look in measurements_from(run)]
    inherit(out, sorted(looks, key=lambda look: str(look["date"])))
    new: dict[str, Any] = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "arguments": {"soup": [str(run) for run in runs]},
        "data": str(photos.path.resolve()),
        "epochs": [],
        "soup": ingredients,
        "teachers": list(dict.fromkeys(teacher for index in kept for teacher in records[index].teachers)),
        "versions": versions(),
        "git_commit": git_commit(),
        "finished": f"the average of {len(kept)} of {len(runs)} runs: {_said(best)}",
    }
    save(out, first.model_copy(update=new))  # last: a folder without it is no run
    return out


def average(states: Sequence[State]) -> State:
    """The mean of state dicts of one network, batch-norm statistics too; what counts is taken from the first."""
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if tensor.is_floating_point() else tensor
        for name, tensor in states[0].items()
    }


def _said(found: dict[str, Any]) -> str:
    return f"validation top-1 {found['top1']:.4f}, loss {found['nll']:.4f}"


def _check(run: Path, record: Run, first_run: Path, first: Run) -> None:
    if record.finished is None:
        raise TwinlensError("invalid_arguments", f"{run} is not finished. Go on with it: train … --resume.")
    if record.tuned is not None:
        raise TwinlensError(
            "invalid_arguments",
            f"{run} is tuned for {record.tuned.weights}, and a mean of rounded weights is not rounded. Make the soup "
            "first, and tune it.",
        )
    if record.init_sha256 is None:
        raise TwinlensError(
            "invalid_arguments",
            f"{run} began from random weights. Only runs that began from the same trained weights can be averaged.",
        )
    for name in _SAME:
        if getattr(record, name) != getattr(first, name):
            raise TwinlensError(
                "invalid_arguments",
                f"{run} and {first_run} differ in their {name.replace('_', ' ')} ({getattr(record, name)} and "
                f"{getattr(first, name)}). Only runs of one network, from the same trained weights, on the same photos "
                "and with the same --split-seed can be averaged.",
            )
