"""``--watch N``: a retraining whenever so many photos were reviewed since the last one, for as long as it runs.

It looks at the manifest every half minute, which costs one ``stat``. What was tried counts as seen, also where the
candidate was refused: the same photos would be refused again. A retraining that cannot be carried out (a full disk, a
training that fails) is said, and tried again when as many photos more were reviewed; one that had to give way to
another command goes on at the next look.
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
from training.retrain.candidate import RUN, known_runs
from training.retrain.request import Request
from training.retrain.steps import RECORD, retrain
from twinlens import publishing
from twinlens.dataset import manifest
from twinlens.dataset.manifest import MANIFEST, Row
from twinlens.errors import TwinlensError
from twinlens.store import open_current

_SECONDS: Final = 30.0
# Another command has what is needed, for a while.
_PASSING: Final = ("data_in_use", "model_in_use")


def watch(
    request: Request,
    count: int,
    tell: Callable[[dict[str, Any], Path], None],
    *,
    do: Callable[[Request], dict[str, Any]] = retrain,
    sleep: Callable[[float], None] = time.sleep,
    rounds: int | None = None,
) -> None:
    """Retrain again and again; Ctrl-C ends it.

    :param request: ``out`` is the folder in which each retraining gets one of its own.
    :param count: how many photos must have been reviewed since the model in use was trained, and since the last try.
    :param tell: takes what came of a retraining, and its folder.
    :param do: what retrains.
    :param sleep: waits for some seconds.
    :param rounds: how often it looks; for ever by default.
    :raises TwinlensError: what is wrong with the data set or the model when it begins.
    """
    tried = last_tried(request)
    seen: tuple[int, int] | None = None
    begun: Path | None = None
    said = ""
    _new(request, tried)  # what is wrong from the beginning is an error, not a line now and then
    say(f"Waiting for {count} reviewed photos in {request.data}. Ctrl-C ends it.")
    looked = 0
    while rounds is None or looked < rounds:
        looked += 1
        rows: list[Row] | None = None
        try:
            status = (request.data / MANIFEST).stat()
            now = (status.st_mtime_ns, status.st_ino)
            if now != seen or begun is not None:
                seen = now
                if begun is not None or _new(request, tried) >= count:
                    rows = manifest.require(request.data)
                    out = begun or _folder(request)
                    begun = out
                    record = do(replace(request, out=out, resume=out.exists(), unattended=True))
                    tell(record, out)
                    tried, begun, seen = rows, None, None
            said = ""
        except (TwinlensError, OSError) as error:
            code = error.code if isinstance(error, TwinlensError) else "cannot_write"
            if rows is not None and code not in _PASSING:
                tried, begun = rows, None
            if (line := f"error [{code}]: {error}\n") != said:
                sys.stderr.write(line)
            said = line if code in _PASSING or rows is None else ""
        sleep(_SECONDS)


def last_tried(request: Request) -> list[Row] | None:
    """The manifest that the last retraining of a model has learned from, whatever came of it.

    :param request: ``out`` is the folder of retrainings, of which those of this model and this data set count.
    """
    wanted = str(request.data.resolve()), str(request.model.resolve())
    records = sorted(request.out.glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in records:
        try:
            record = json.loads(path.read_bytes())
            same = (record["data"]["path"], record["model_path"]) == wanted
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if same and (rows := manifest.read(path.parent / RUN)) is not None:
            return rows
    return None


def _folder(request: Request) -> Path:
    """A folder that is not there yet."""
    name = f"{request.model.resolve().name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    out, number = request.out / name, 1
    while out.exists():
        number += 1
        out = request.out / f"{name}-{number}"
    return out


def _new(request: Request, tried: list[Row] | None) -> int:
    """How many photos were reviewed since the model in use was trained, and since the last try."""
    rows = manifest.require(request.data)
    contract = open_current(request.model).contract
    runs = known_runs(request.trained_on, publishing.history(request.model))
    base = held_out.trained_on(request.data, contract.model.version, contract.dataset.digest, runs)
    earlier = [base] if tried is None else [base, tried]
    return held_out.new_reviews(rows, held_out.set_aside(request.data), *earlier)
