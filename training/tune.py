"""The command ``python -m training tune``: a finished network, tuned for integer weights."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from training.progress import say
from training.rounding import WEIGHTS, integer_bits
from training.run import RUN, refuse_among_photos
from training.running import add_running
from training.tuning import Tuning, tune
from twinlens.arguments import integer, number


def add_parser(commands: Any) -> None:
    """Declare the command.

    :param commands: what :meth:`argparse.ArgumentParser.add_subparsers` gave.
    """
    parser = commands.add_parser(
        "tune",
        help="tune a finished run or a published model for weights of few bits",
        description="Tune a finished run or a published model for integer weights: rounded, it learns to answer as it "
        "did before. What comes of it is a run: evaluate it, and export it with the same --weights.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    default = {field.name: field.default for field in fields(Tuning)}
    add = parser.add_argument
    add("source", type=Path, metavar="SOURCE", help="folder of a finished run, of a model, or of one of its versions")
    add("--out", type=Path, required=True, default=argparse.SUPPRESS, help="folder of the new run, made anew")
    add(
        "--weights",
        choices=[weights for weights in WEIGHTS if integer_bits(weights)],
        required=True,
        default=argparse.SUPPRESS,
        help="what an export will round the weights to",
    )
    add(
        "--data",
        type=Path,
        default=argparse.SUPPRESS,
        help="folder of the photos that SOURCE was trained on (for a run by default where it read them)",
    )
    add("--epochs", type=integer(1), default=default["epochs"], help="epochs, all of which are done")
    add("--lr", type=number(0, 1), default=default["lr"], help="learning rate at first; it falls to 0 as a cosine does")
    add("--batch-size", type=integer(2), default=default["batch_size"], help="photos in a step")
    add(
        "--train-size",
        type=integer(8),
        default=argparse.SUPPRESS,
        help="edge of the crops to learn from, in pixels (default: the served size)",
    )
    add("--crop-area", type=number(0.01, 1), default=default["crop_area"], help="smallest part of a photo in a crop")
    add("--seed", type=integer(0), default=default["seed"], help="of the order and the crops")
    add(
        "--split-seed",
        type=integer(0),
        default=default["split_seed"],
        help="of a published model's photos, where DATA has no splits of its own: what it was trained with",
    )
    add_running(parser, default)
    parser.set_defaults(func=run)


def run(options: argparse.Namespace) -> None:
    """Tune, and say where the result is.

    :raises TwinlensError: ``invalid_arguments`` for an ``--out`` among the photos, and what
        :func:`training.tuning.tune` raises.
    """
    given = {field.name: getattr(options, field.name) for field in fields(Tuning) if hasattr(options, field.name)}
    tuning = Tuning(**given)
    if tuning.data is not None:
        refuse_among_photos(tuning.out, tuning.data)
    tune(tuning)
    say(f"{tuning.out / RUN}")
