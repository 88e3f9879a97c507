"""The command ``python -m training data``: from photos that lie about to a data set that a model can be trained on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from training import networks
from training.dataset import steps
from twinlens.arguments import integer, number
from twinlens.dataset.manifest import MANIFEST


def add_parser(commands: Any) -> None:
    """Declare the command and its own commands.

    :param commands: what :meth:`argparse.ArgumentParser.add_subparsers` gave.
    """
    parser = commands.add_parser(
        "data",
        help="collect, import, verify, deduplicate, split and check the photos of a data set",
        description="Make a data set: a folder of photos with a manifest that says what each one is, where it came "
        f"from, and which split it is in. DATA is that folder; {MANIFEST} lies in it.",
    )
    parsers = parser.add_subparsers(metavar="STEP", required=True)
    for declare in (_add_collect, _add_import, _add_verify, _add_dedupe, _add_split, _add_check, _add_restore):
        step = declare(parsers)
        step.add_argument("--json", action="store_true", help="print JSON")


def _step(parsers: Any, name: str, func: Any, summary: str, description: str) -> argparse.ArgumentParser:
    step: argparse.ArgumentParser = parsers.add_parser(name, help=summary, description=description)
    step.add_argument("data", type=Path, metavar="DATA", help="folder of the data set")
    step.set_defaults(func=func)
    return step


def _add_collect(parsers: Any) -> argparse.ArgumentParser:
    step = _step(
        parsers,
        "collect",
        steps.run_collect,
        "fetch photos from a table of addresses, or find them by label",
        "Fetch photos, with licence and origin of each. A run that was stopped goes on where it was; what failed for a "
        "while is tried again. Servers are asked at a set rate, and are left alone when they say so.",
    )
    add = step.add_argument
    add("--urls", type=Path, metavar="CSV", help="a table with the columns url and label, perhaps licence, page, …")
    add("--search", choices=["openverse"], help="find photos there")
    add("--label", help="label of what is found")
    add("--query", help="what to search for (default: the label)")
    add("--limit", type=integer(1), default=100, help="photos to find, at most (default: 100)")
    add(
        "--licence",
        action="append",
        default=[],
        help="only photos of this licence, as the source names it (cc0, pdm, by, by-sa, …); may be repeated",
    )
    add("--source-url", help="address of the source, if not its usual one")
    add("--contact", help="your address or page, which servers are told beside the program's name")
    add("--per-second", type=number(0.01, 100), default=2.0, help="requests to one host a second (default: 2)")
    add("--connections", type=integer(1), default=4, help="photos fetched at once (default: 4)")
    add("--retries", type=integer(0), default=4, help="times that a failed request is sent again (default: 4)")
    add("--timeout", type=number(0.1, 3600), default=30.0, help="seconds without a byte (default: 30)")
    add("--longest-wait", type=number(0, 86400), default=120.0, help="seconds a server may ask to wait (default: 120)")
    add("--max-mib", type=number(0.001, 4096), default=64.0, help="largest photo (default: 64)")
    return step


def _add_import(parsers: Any) -> argparse.ArgumentParser:
    step = _step(
        parsers,
        "import",
        steps.run_import,
        "bring in photos of a folder, a ZIP archive or a torchvision data set",
        "Bring photos in, with where they came from. The source is read and not changed. Without SOURCE, a manifest is "
        "made of the photos that lie in DATA already.",
    )
    add = step.add_argument
    add(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="a folder, a .zip, or torchvision:NAME (CIFAR10, Flowers102, …); within folder and archive one folder per "
        "label, or train/, validation/ and test/ with those in each",
    )
    add("--origin", help="where the photos came from (default: their place in the source)")
    add("--licence", help="their licence")
    add("--licence-url", help="its address")
    add("--creator", help="who made them")
    add("--downloads", type=Path, help="folder that torchvision downloads to (default: its name beside DATA)")
    return step


def _add_verify(parsers: Any) -> argparse.ArgumentParser:
    step = _step(
        parsers,
        "verify",
        steps.run_verify,
        "find photos that cannot be learned from, and set them aside",
        "Read and decode every file, and move what is broken, empty, wrongly named, tiny, huge or of an unknown format "
        "to DATA/.quarantine, with the reason. Nothing is deleted; `restore` brings it back.",
    )
    add = step.add_argument
    add("--min-edge", type=integer(1), default=32, help="pixels that the shorter edge must have (default: 32)")
    add("--max-mib", type=number(0.001, 4096), default=64.0, help="largest file (default: 64)")
    add("--keep", action="append", default=[], metavar="REASON", help="list this reason but leave the file; repeatable")
    add("--dry-run", action="store_true", help="list only")
    return step


def _add_dedupe(parsers: Any) -> argparse.ArgumentParser:
    step = _step(
        parsers,
        "dedupe",
        steps.run_dedupe,
        "find photos that show the same picture, and keep one of each",
        "Find copies, the same bytes or nearly the same picture, also across splits, where they are leaks: a photo to "
        "learn from must not be in test. One of each is kept, in test if it is there; the others are moved to "
        "DATA/.quarantine. Copies with different labels in one split are listed and stay.",
    )
    _add_near(step)
    step.add_argument("--dry-run", action="store_true", help="list only")
    return step


def _add_near(step: argparse.ArgumentParser) -> None:
    # What the hash's authors advise; the module that knows it takes a second to import.
    step.add_argument(
        "--near",
        type=integer(0),
        default=31,
        help="bits of 256 by which perceptual hashes of the same picture may differ (default: 31)",
    )
    step.add_argument("--exact", action="store_const", const=-1, dest="near", help="only the same bytes count")


def _add_split(parsers: Any) -> argparse.ArgumentParser:
    step = _step(
        parsers,
        "split",
        steps.run_split,
        "give every photo a split",
        "Divide the photos that are in no split yet: by seed, each label in proportion, groups and copies kept "
        "together. What has a split keeps it.",
    )
    add = step.add_argument
    add("--validation", type=number(0, 0.9), default=0.1, help="part of each label (default: 0.1)")
    add("--test", type=number(0, 0.9), default=0.1, help="part of each label (default: 0.1)")
    add("--seed", type=integer(0), default=0, help="decides which photos go where (default: 0)")
    add("--group", metavar="REGEX", help="photos whose path matches with the same first group belong together")
    add("--anew", action="store_true", help="divide all photos that are not held out, whatever splits they have")
    _add_near(step)
    return step


def _add_check(parsers: Any) -> argparse.ArgumentParser:
    step = _step(
        parsers,
        "check",
        steps.run_check,
        "look the data set over before training: balance, leaks, doubtful labels",
        f"Write {steps.CHECK_PAGE}, one page with pictures, and {steps.CHECK_JSON}: how many photos each label has, "
        "which pictures are in two splits, and which labels are probably wrong. Nothing is changed.",
    )
    add = step.add_argument
    add("--out", type=Path, metavar="FOLDER", help="where the report goes (default: report/data/NAME here)")
    add("--arch", default="mobilenet_v2", help="network whose embeddings judge the labels (default: mobilenet_v2)")
    add("--init", default=networks.IMAGENET, help="its weights, which must not have learned from these photos")
    add("--no-labels", action="store_true", help="do not look for wrong labels, which takes longest")
    add("--strict", action="store_true", help="end with status 2 if there are leaks, torn groups or conflicts")
    _add_near(step)
    return step


def _add_restore(parsers: Any) -> argparse.ArgumentParser:
    step = _step(
        parsers,
        "restore",
        steps.run_restore,
        "bring back what was set aside",
        "List what lies in quarantine, or bring it back to where it was, with its row of the manifest.",
    )
    step.add_argument("paths", nargs="*", metavar="PATH", help="what to bring back, by the path that it had")
    step.add_argument("--all", action="store_true", help="bring everything back")
    step.add_argument("--reason", help="bring back what was set aside for this reason")
    return step
