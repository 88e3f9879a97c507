"""Arguments and exit status of the measurements' command lines, and the ``make`` command that a result names."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from benchmarks.results import portable
from twinlens.errors import TwinlensError


def names(known: Collection[str]) -> Callable[[str], list[str]]:
    """A type of argument: some of the known names, with commas between them."""

    def read(text: str) -> list[str]:
        found = [name.strip() for name in text.split(",")]
        if unknown := [name for name in found if name not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(known)}")
        return found

    return read


def make_command(
    target: str,
    parser: argparse.ArgumentParser,
    given: argparse.Namespace,
    left_out: Collection[str] = (),
    variable: str = "photos",
) -> str:
    """The ``make`` command that measures the same again: every option that is not the default one.

    :param given: what the parser has read.
    :param left_out: options that do not change what is measured.
    :param variable: the option that ``make`` has a variable for: ``photos`` becomes ``PHOTOS=``.
    """
    changed = {name: value for name, value in vars(given).items() if value != parser.get_default(name)}
    more = [
        f"--{name.replace('_', '-')} {_shown(value)}"
        for name, value in changed.items()
        if name not in (variable, *left_out)
    ]
    command = f"make {target}" + (f" {variable.upper()}={_shown(changed[variable])}" if variable in changed else "")
    return command + (f' ARGS="{" ".join(more)}"' if more else "")


def reported(run: Callable[[], int]) -> int:
    """The exit status of a measurement: its own, or 2 with what was wrong on standard error, or 130 if it was ended.

    SIGTERM, as of ``timeout`` or a batch system, ends it as Ctrl-C does: with the servers and browsers that it started.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run()
    except TwinlensError as error:
        sys.stderr.write(f"error [{error.code}]: {error.detail}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("Ended before it was done.\n")
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


def _shown(value: Any) -> str:
    if isinstance(value, Path):
        return portable(value)
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return ",".join(value) if isinstance(value, list) else f"{value:g}" if isinstance(value, float) else str(value)
