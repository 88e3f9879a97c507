"""``python -m benchmarks.train``: how much slower training is than its network, into ``docs/results/train.json``.

An epoch of the recipe, with everything that it does in a step (augmenting, normalising, both passes, optimiser, moving
average), takes turns with the same network going forward and backward alone over pixels that lie ready. The figure is
the median of the rounds' ratios, so that a machine that is slower for a while is so for both. The photos are made, of
the common shape; all are held in memory, as they are wherever memory allows.
"""

from __future__ import annotations

import os

# As training/__main__.py does, and for its reason: read once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torchvision
from PIL import Image

from benchmarks.results import RESULTS, Goal, commit, outcome, result, significant, write_result
from training import device as devices
from training import networks, recipe
from training.arguments import Arguments
from training.learner import start
from training.rules import standard
from twinlens.arguments import integer
from twinlens.errors import TwinlensError
from twinlens.inference import available_threads

DEFINITIONS: Final = {
    "training_over_network_alone": "median of ratio over the rounds",
    "ratio": "training over network, in one round",
    "training": "photos a second of one epoch of the recipe, validation and checkpoints left out",
    "network": "photos a second of forward, loss and backward with the same network, batch, precision and threads",
    "waited": "share of the epoch in which the network waited for augmented photos",
}
_LABELS: Final = ("a", "b", "c", "d")
_SIZE: Final = (640, 480)


def make_photos(folder: Path, train: int) -> None:
    """Write a data set with splits: noisy JPEGs of 640 x 480 pixels under 4 labels.

    :param train: how many photos there are to learn from.
    """
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("validation", len(_LABELS)), ("test", len(_LABELS))):
        for index in range(count):
            path = folder / split / _LABELS[index % len(_LABELS)] / f"{index}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
            coarse.resize(_SIZE, Image.Resampling.BICUBIC).save(path, quality=85)


def network_alone(arguments: Arguments) -> Callable[[int], float]:
    """A network that goes forward and backward as the recipe's does, with nothing else to do.

    :return: a function from a number of steps to photos a second.
    """
    device = devices.choose(arguments.device)
    precision = devices.precision(device)
    learner = start(arguments, networks.create(arguments.arch, len(_LABELS)), device, precision, 1)
    learner.train()
    network = learner.network
    (size,) = arguments.train_size
    shape = (arguments.batch_size, size, size, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    inputs = networks.to_input(pixels, standard().normalize, device)
    targets = torch.arange(arguments.batch_size, device=device) % len(_LABELS)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=arguments.label_smoothing)

    def measure(steps: int) -> float:
        started = time.monotonic()
        for _ in range(steps):
            with torch.autocast(device.type, getattr(torch, precision), enabled=precision != "float32"):
                loss = criterion(network(inputs), targets)
            network.zero_grad()
            loss.backward()
        return steps * arguments.batch_size / (time.monotonic() - started)

    return measure


def measure(arguments: Arguments, steps: int, rounds: int, work: Path) -> list[dict[str, Any]]:
    """Let training and the network alone take turns.

    :param arguments: the recipe's, but for ``data`` and ``out``.
    :param steps: batches in a turn.
    :param rounds: turns of each that are counted; one more of each, before them, is not.
    :param work: an empty folder.
    :return: a row for each round: ``training`` and ``network`` in photos a second, ``waited``, and their ``ratio``.
    """
    make_photos(work / "photos", steps * arguments.batch_size)
    torch.set_num_threads(available_threads())  # as the recipe does
    networks.check(arguments.arch, networks.NONE)
    # The recipe freezes layers of initial weights that come from a file; what is in it makes no difference to time.
    torch.save(torchvision.models.get_model(arguments.arch, weights=None).state_dict(), work / "init.pt")
    arguments = replace(arguments, init=str(work / "init.pt"))
    alone = network_alone(arguments)
    rows = []
    for number in range(rounds + 1):
        run = recipe.train(replace(arguments, data=work / "photos", out=work / f"run {number}"))
        epoch = run.epochs[0]
        training, network = steps * arguments.batch_size / epoch.train_seconds, alone(steps)
        if number:
            row = {"training": training, "network": network, "ratio": training / network}
            row["waited"] = epoch.data_seconds / epoch.train_seconds
            rows.append({"round": number, **{name: significant(value) for name, value in row.items()}})
    return rows


def goals(rows: list[dict[str, Any]]) -> list[Goal]:
    """What was asked for: at most 15 % of the network's own speed may be lost."""
    ratio = statistics.median(row["ratio"] for row in rows)
    return [Goal("training_over_network_alone", ratio, "share", 0.85, "higher")]


def main(given: list[str] | None = None) -> int:
    """Measure and write the result; status 1 if the goal is missed, 2 for bad arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train", description=__doc__.split("\n\n")[0])
    default = Arguments(Path(), Path())
    add = parser.add_argument
    add("--arch", default=default.arch, help="torchvision's name of the network (%(default)s)")
    add(
        "--train-size",
        type=integer(1),
        default=max(default.train_size),
        help="edge of the crops, in pixels (%(default)s)",
    )
    add("--batch-size", type=integer(2), default=default.batch_size, help="photos in a step (%(default)s)")
    add("--steps", type=integer(1), default=40, help="steps in a turn (%(default)s)")
    add("--rounds", type=integer(1), default=5, help="turns of each that are counted (%(default)s)")
    add("--out", type=Path, default=RESULTS / "train.json", help="result file (%(default)s)")
    options = parser.parse_args(given)
    arguments = Arguments(
        Path(),
        Path(),
        arch=options.arch,
        epochs=1,
        train_size=(options.train_size,),
        batch_size=options.batch_size,
        device="cpu",
    )
    began = commit()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-train-") as work:
            rows = measure(arguments, options.steps, options.rounds, Path(work))
    except TwinlensError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    named = [
        f"--{name.replace('_', '-')} {value}"
        for name, value in vars(options).items()
        if name != "out" and value != parser.get_default(name)
    ]
    content = result(
        "make bench-train" + (f' ARGS="{" ".join(named)}"' if named else ""),
        rows,
        goals(rows),
        commit=began,
        definitions=DEFINITIONS,
        versions={"torch": torch.__version__, "torchvision": torchvision.__version__},
        facts={
            "network": options.arch,
            "precision": devices.precision(torch.device("cpu")),
            "pixels": options.train_size,
            "frozen": f"maps of at least 1/{arguments.freeze}",
            "batch": options.batch_size,
            "steps": options.steps,
        },
    )
    write_result(options.out, content)
    for goal in content["goals"]:
        sys.stdout.write(f"{outcome(goal)}\n")
    sys.stdout.write(f"Written: {options.out}\n")
    return 0 if all(goal["met"] for goal in content["goals"]) else 1


if __name__ == "__main__":
    sys.exit(main())
