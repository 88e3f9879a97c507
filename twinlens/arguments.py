"""Readers of the command lines' values, for ``type=`` of argparse: what they refuse, they say what would do."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path


def path(text: str) -> Path:
    """A file or a folder."""
    if not text:  # an unset variable of a script, which Path would take for the working directory
        raise argparse.ArgumentTypeError("the name of a file or folder is empty")
    return Path(text)


def integer(low: int, high: int | None = None) -> Callable[[str], int]:
    """A reader of whole numbers, written in digits.

    :param low: the least.
    :param high: the largest, if there is one.
    """

    def read(text: str) -> int:
        try:
            value = int(text) if text.isascii() and text.isdigit() else None
        except ValueError:  # thousands of digits
            value = None
        if value is None or value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number {_bounds(low, high)}")
        return value

    return read


def number(
    low: float, high: float | None = None, *, above: bool = False, below: bool = False
) -> Callable[[str], float]:
    """A reader of finite numbers.

    :param low: the least; with ``above`` one that is itself too small.
    :param high: the largest, if there is one; with ``below`` one that is itself too large.
    """

    def read(text: str) -> float:
        try:
            value = float(text) if text.strip() == text and "_" not in text else math.nan
        except ValueError:
            value = math.nan
        fits = math.isfinite(value) and value >= low and (high is None or value <= high)
        if not fits or (above and value == low) or (below and value == high):
            raise argparse.ArgumentTypeError(f"{text!r} is no number {_bounds(low, high, above, below)}")
        return value

    return read


def _bounds(low: float, high: float | None, above: bool = False, below: bool = False) -> str:
    start = f"{'above' if above else 'from'} {low:.16g}"
    if high is None:
        return start if above else f"{start} up"
    return f"{start}{', up' if above else ''} to {'below ' if below else ''}{high:.16g}"
