"""The photos of a retraining as they were when it began, so that reviewing may go on while it learns.

A photo that is relabelled or set aside meanwhile would otherwise be missing, or be another one, hours later. Photos are
linked, which takes no space, or copied where the folders lie on two disks. The manifest is written last: where it is,
the rest is whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from training.progress import bar
from twinlens.dataset import manifest
from twinlens.dataset.manifest import MANIFEST, Row
from twinlens.errors import TwinlensError

FOLDER: Final = "data"
"""In the folder of the retraining."""


def taken(out: Path) -> bool:
    """Whether there is one.

    :param out: folder of the retraining.
    """
    return (out / FOLDER / MANIFEST).is_file()


def take(data: Path, rows: Sequence[Row], out: Path) -> Path:
    """Take one; what is left of one that was not finished goes.

    :param data: folder of the data set, held by :func:`twinlens.dataset.manifest.changing`.
    :param rows: of the photos.
    :return: its folder, a data set of its own.
    :raises TwinlensError: ``invalid_data`` if a photo is missing.
    """
    folder = out / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    with bar(len(rows), "Linking photos") as progress:
        for row in rows:
            target = folder / row.path
            target.parent.mkdir(parents=True, exist_ok=True)
            # Of a link, the photo that it leads to: from elsewhere the link might lead nowhere.
            _link(data, row, (data / row.path).resolve(), target)
            progress.update()
    manifest.write(folder, rows)
    return folder


def _link(data: Path, row: Row, source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise TwinlensError(
            "invalid_data",
            f"{row.path} is not there. `python -m training data verify {data}` takes what is missing out of the "
            "manifest.",
        ) from None
    except OSError:  # another disk, one that knows no links, or a stranger's file
        shutil.copyfile(source, target)
