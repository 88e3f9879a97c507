"""The arguments of ``twinlens index``, apart from what it does, which takes a while to import."""

from __future__ import annotations

import argparse
from typing import Any, Final

from twinlens.arguments import integer, number, path
from twinlens.similar.options import DIMENSIONS, KINDS, RECALL

DEFAULT_K: Final = 10
_COUNT: Final = integer(1, 1_000_000)


def add_parser(commands: Any) -> None:
    """Declare the command and its own commands.

    :param commands: what :meth:`argparse.ArgumentParser.add_subparsers` gave.
    """
    parser = commands.add_parser(
        "index",
        help="find photos that look alike: make an index of photos, change it, ask it",
        description="An index holds what the model in use makes of photos, and finds the nearest of another one. "
        "`twinlens serve` answers POST /v1/similar from the one that TWINLENS_INDEX names.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, explanation: str, **more: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = actions.add_parser(name, help=explanation, description=explanation, **more)
        made.add_argument("--models", type=path, metavar="FOLDER", help="folder that holds the models")
        made.add_argument("--model", metavar="NAME", help="name of the model in use")
        return made

    made = action("build", "index a folder of photos; one that was stopped goes on where it was")
    made.add_argument("photos", type=path, metavar="PHOTOS", help="folder; folders in it are labels")
    made.add_argument("--out", type=path, required=True, metavar="INDEX", help="folder of the index")
    _add_options(made)
    _add_workers(made)
    added = action("add", "add a folder of photos to an index; those of the same path are replaced")
    added.add_argument("index", type=path, metavar="INDEX", help="folder of the index")
    added.add_argument("photos", type=path, metavar="PHOTOS", help="folder of photos")
    _add_workers(added)
    removed = action("remove", "remove photos from an index")
    removed.add_argument("index", type=path, metavar="INDEX", help="folder of the index")
    removed.add_argument(
        "ids", nargs="*", metavar="ID", help="path of a photo as the index has it, or of a folder and /"
    )
    removed.add_argument("--missing", type=path, metavar="PHOTOS", help="those that are no longer in this folder")
    again = action("rebuild", "make an index anew of what it keeps, and forget what was removed")
    again.add_argument("index", type=path, metavar="INDEX", help="folder of the index")
    _add_options(again)
    asked = action("search", "find the photos of an index that are most like one")
    asked.add_argument("index", type=path, metavar="INDEX", help="folder of the index")
    asked.add_argument("photo", type=path, metavar="PHOTO", help="an image file")
    asked.add_argument("-k", type=_COUNT, default=DEFAULT_K, metavar="K", help="how many (%(default)s)")
    asked.add_argument("--json", action="store_true", help="print one JSON object")
    about = action("info", "what an index holds, and how good its answers are")
    about.add_argument("index", type=path, metavar="INDEX", help="folder of the index")
    about.add_argument("--json", action="store_true", help="print index.json as it is")
    gallery = action("gallery", "write an index as one compact file, which the page searches on the device")
    gallery.add_argument("index", type=path, metavar="INDEX", help="folder of the index")
    gallery.add_argument("--out", type=path, required=True, metavar="FILE", help="file to write")
    gallery.add_argument("--dimensions", type=_COUNT, metavar="N", help="of its vectors (as many as fit into 13 MB)")


def _add_options(parser: argparse.ArgumentParser) -> None:
    projection = parser.add_mutually_exclusive_group()
    projection.add_argument(
        "--dimensions", type=_COUNT, metavar="N", help=f"of the projection, at most {DIMENSIONS}, the default"
    )
    projection.add_argument("--no-projection", action="store_true", help="compare the embeddings as they are")
    parser.add_argument("--kind", choices=KINDS, help="of index (chosen by size and measured recall)")
    parser.add_argument(
        "--recall",
        type=number(0, 1, above=True),
        metavar="SHARE",
        help=f"of the ten nearest that a search is to find ({RECALL})",
    )


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers", type=_COUNT, default=0, metavar="N", help="processes that decode (as many as there are cores)"
    )
