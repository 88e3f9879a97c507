"""The command ``python -m training train``: the recipe's arguments on the command line."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from training.arguments import Arguments
from training.distributed import joined
from training.progress import say
from training.recipe import train
from training.run import RUN, refuse_among_photos
from training.running import add_running
from twinlens.arguments import integer, number
from twinlens.errors import TwinlensError


def add_parser(commands: Any) -> None:
    """Declare the command.

    :param commands: what :meth:`argparse.ArgumentParser.add_subparsers` gave.
    """
    parser = commands.add_parser(
        "train",
        help="train a network on a folder of labelled photos",
        description="Train a network on a folder of labelled photos: one folder per label, or train/, validation/ and "
        "test/ with one folder per label in each.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    default = {field.name: field.default for field in fields(Arguments)}
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", help="folder of photos")
    add("--out", type=Path, required=True, default=argparse.SUPPRESS, help="folder of the run, made anew")
    add("--arch", default=default["arch"], help="torchvision's name of the network")
    add(
        "--init",
        default=default["init"],
        help="imagenet (torchvision's download), none, path of a state dict, or folder of a run or of a model, from "
        "which learning goes on",
    )
    add("--epochs", type=integer(1), default=default["epochs"], help="most epochs")
    add("--image-size", type=integer(8), default=default["image_size"], help="edge of the served input, in pixels")
    add(
        "--shorter-edge",
        type=integer(8),
        default=argparse.SUPPRESS,
        help="pixels of the whole photo's shorter edge before the served crop (default: the image size)",
    )
    add(
        "--squeeze",
        type=number(1, 4),
        default=default["squeeze"],
        help="how much of a long photo is seen, in times of its shorter edge, squeezed into the square (1: the centre)",
    )
    add(
        "--train-size",
        type=integer(8),
        nargs="+",
        default=default["train_size"],
        help="edge of the training crops, in pixels; of several, each is used for an equal part of the epochs",
    )
    add("--batch-size", type=integer(2), default=default["batch_size"], help="photos in a step")
    add(
        "--freeze",
        type=integer(0),
        default=default["freeze"],
        help="keep the initial weights of the layers whose maps are at least the image size over this (0: learn all)",
    )
    add("--lr-body", type=number(0, 1), default=default["lr_body"], help="highest learning rate of the body")
    add("--lr-head", type=number(0, 1), default=default["lr_head"], help="highest learning rate of the last layer")
    add("--weight-decay", type=number(0, 1), default=default["weight_decay"], help="AdamW's weight decay")
    add("--warmup", type=number(0, 0.9), default=default["warmup"], help="part of the steps in which the rate rises")
    add("--label-smoothing", type=number(0, 0.9), default=default["label_smoothing"], help="of the training loss")
    add(
        "--teacher",
        type=Path,
        nargs="+",
        metavar="RUN",
        default=argparse.SUPPRESS,
        help="folders of finished runs with the same labels, whose mean answer is learned from beside the labels",
    )
    add("--teaching", type=number(0, 1), default=default["teaching"], help="weight of the teachers in the loss")
    add("--ema", type=number(0, 0.99999), default=default["ema"], help="decay of the moving average, per step")
    add("--crop-area", type=number(0.01, 1), default=default["crop_area"], help="smallest part of a photo in a crop")
    add("--patience", type=integer(1), default=default["patience"], help="epochs without a better one before it stops")
    add(
        "--seed", type=integer(0), default=default["seed"], help="of weights that begin random, the order and the crops"
    )
    add(
        "--split-seed",
        type=integer(0),
        default=default["split_seed"],
        help="of the split, where DATA has none of its own; runs of one soup, teachers and learners share it",
    )
    add_running(parser, default)
    parser.set_defaults(func=run)


def run(options: argparse.Namespace) -> None:
    """Train, and say where the result is.

    :raises TwinlensError: ``invalid_arguments`` for arguments that do not go together, and what
        :func:`training.recipe.train` raises.
    """
    given = {field.name: getattr(options, field.name) for field in fields(Arguments) if hasattr(options, field.name)}
    given |= {name: tuple(given[name]) for name in ("train_size", "teacher") if name in given}
    arguments = Arguments(**given)
    if (arguments.shorter_edge or arguments.image_size) < arguments.image_size:
        raise TwinlensError(
            "invalid_arguments",
            f"--shorter-edge {arguments.shorter_edge} is below --image-size {arguments.image_size}: the crop would "
            "reach beyond the photo.",
        )
    refuse_among_photos(arguments.out, arguments.data)
    with joined() as group:
        train(arguments, group)
    say(f"{arguments.out / RUN}")
