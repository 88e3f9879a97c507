"""The command line ``python -m training COMMAND``.

A command is a module with ``add_parser(subparsers)``, which declares its arguments and sets ``func`` to what runs
it. What goes wrong on purpose is one line on stderr and exit status 2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

import torch

from training import export, measure, soup, train, tune
from training.dataset import command as data
from training.retrain import command as retrain
from twinlens.errors import TwinlensError

COMMANDS: Final = (data, train, soup, tune, measure, export, retrain)


def parser() -> argparse.ArgumentParser:
    """The parser with every command's arguments."""
    root = argparse.ArgumentParser(
        prog="python -m training", description="From a folder of labelled photos to a model for server and browser."
    )
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    :param arguments: the command line without the program's name; the process's own by default.
    :return: the exit status: 0, or what the command says; 2 for a :class:`~twinlens.errors.TwinlensError`, a full disk
        or a full GPU, 130 after Ctrl-C.
    """
    options = parser().parse_args(arguments)
    try:
        status: int | None = options.func(options)
    except TwinlensError as error:
        sys.stderr.write(f"error [{error.code}]: {error.detail}\n")
        return 2
    except OSError as error:  # a full disk, a folder that cannot be made or written
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"error [cannot_write]: {where}{error.strerror or error}\n")
        return 2
    except torch.OutOfMemoryError as error:
        sys.stderr.write(
            f"error [invalid_arguments]: {str(error).partition('. ')[0]}: the GPU has too little memory. Give a "
            "smaller --batch-size or --train-size, or --device cpu.\n"
        )
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        return 130
    return status or 0
