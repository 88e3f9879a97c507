"""``--watch N``: a retraining whenever so many photos were reviewed since the last one, for as long as it runs.

It looks at the manifest every half minute, which costs one ``stat``. What was tried counts as seen, also where the
candidate was refused: the same photos would be refused again. A retraining that cannot be carried out (a full disk, a
data set that is being changed) is said, and tried again when as many photos more were reviewed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from training.progress import say
from training.retrain import held_out
from training.retrain.candidate import RUN
from training.retrain.steps import RECORD, Request, retrain, summary
from twinlens.dataset import manifest
from twinlens.dataset.manifest import MANIFEST, Row
from twinlens.errors import TwinlensError
from twinlens.store import open_current

_SECONDS: Final = 30.0


def watch(
    request: Request,
    count: int,
    *,
    do: Callable[[Request], dict[str, Any]] = retrain,
    sleep: Callable[[float], None] = time.sleep,
    rounds: int | None = None,
) -> None:
    """Retrain again and again; Ctrl-C ends it.

    :param request: ``out`` is the folder in which each retraining gets one of its own.
    :param count: how many photos must have been reviewed since the model in use was trained, or since the last try.
    :param do: what retrains.
    :param sleep: waits for some seconds.
    :param rounds: how often it looks; for ever by default.
    :raises TwinlensError: what is wrong with the data set or the model when it begins.
    """
    tried = last_tried(request.out, request.data)
    seen: tuple[int, int] | None = None
    _new(request, tried)  # what is wrong from the beginning is an error, not a line now and then
    say(f"Waiting for {count} reviewed photos in {request.data}. Ctrl-C ends it.")
    looked = 0
    while rounds is None or looked < rounds:
        looked += 1
        try:
            status = (request.data / MANIFEST).stat()
            now = (status.st_mtime_ns, status.st_ino)
            if now != seen:
                seen = now
                rows = manifest.require(request.data)
                if _new(request, tried) >= count:
                    out = request.out / f"{request.model.resolve().name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
                    tried = rows
                    record = do(replace(request, out=out))
                    say(summary(record, out))
                    seen = None
        except TwinlensError as error:
            sys.stderr.write(f"error [{error.code}]: {error.detail}\n")
        except OSError as error:
            sys.stderr.write(f"error [cannot_write]: {error}\n")
        sleep(_SECONDS)


def last_tried(folder: Path, data: Path) -> list[Row] | None:
    """The manifest that the last retraining in a folder has learned from, whatever came of it.

    :param folder: of retrainings.
    :param data: only those of this data set count.
    """
    for record in sorted(folder.glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            same = json.loads(record.read_bytes())["data"]["path"] == str(data.resolve())
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if same and (rows := manifest.read(record.parent / RUN)) is not None:
            return rows
    return None


def _new(request: Request, tried: list[Row] | None) -> int:
    """How many photos were reviewed since the model in use was trained, and since the last try."""
    rows = manifest.require(request.data)
    digest = open_current(request.model).contract.dataset.digest
    runs = [request.trained_on] if request.trained_on is not None else []
    since = held_out.new_reviews(rows, held_out.trained_on(request.data, digest, runs))
    return since if tried is None else min(since, held_out.new_reviews(rows, tried))
