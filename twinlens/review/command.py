"""``twinlens review DATA``: judge the photos, then serve the page until it is interrupted."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import uvicorn

from twinlens.address import free_address
from twinlens.classifier import Classifier
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.feedback.source import ServerSource, Source, StoreSource
from twinlens.folders import readable
from twinlens.review import log
from twinlens.review.decide import Reviewer
from twinlens.review.doubts import judge, read_issues
from twinlens.review.known import digests_as_sent
from twinlens.review.queue import Queue
from twinlens.review.server import AsSent, application
from twinlens.settings import Settings
from twinlens.store import open_current

HOST: Final = "127.0.0.1"
PORT: Final = 3001


def review(
    folder: Path,
    settings: Settings,
    *,
    who: str | None,
    issues: Path | None,
    feedback: str | None,
    port: int,
    page: Path,
    judged: bool,
) -> int:
    """Serve the page of a data set.

    :param folder: of the data set, which has a manifest.
    :param who: recorded with each decision; the name of whoever is logged in by default.
    :param issues: a ``check.json``; by default the one that ``python -m training data check`` has written here, if any.
    :param feedback: address of a server whose feedback is looked at too; by default what the settings name, if they do.
    :param page: folder of the built page.
    :param judged: have the model in use answer every photo first.
    :return: the exit status.
    :raises TwinlensError: what is wrong with the data set, the model, the issues, the feedback or the address.
    """
    reviewer = Reviewer(folder, who or _user())
    rows = manifest.require(folder)
    found = issues or Path("report", "data", folder.resolve().name, "check.json")
    doubted, stale = read_issues(found, rows) if issues or found.is_file() else ({}, 0)
    if stale:
        sys.stderr.write(
            f"{readable(found)}: {stale} doubtful labels are left out, since their photos have changed or gone. "
            "`python -m training data check` looks anew.\n"
        )
    queue = _queue(feedback, settings)
    if queue is not None:
        queue.load(log.read(folder))
    model = judge(folder, rows, Classifier.current(settings), settings) if judged else None
    free_address(HOST, port, "twinlens review DATA")
    app = application(reviewer, page, model, doubted, queue, _as_sent(folder, rows, settings) if queue else None)
    said = f", visitors' words on {len(queue.said)}" if queue is not None else ""
    sys.stderr.write(
        f"{len(rows)} photos, {len(doubted)} doubtful labels{said}. Open http://{HOST}:{port} (Ctrl-C ends it); "
        f"decisions are {reviewer.who}'s.\n"
    )
    uvicorn.run(app, host=HOST, port=port, log_level="warning", access_log=False, server_header=False)
    return 0


def _user() -> str:
    """The name of whoever is logged in.

    :raises TwinlensError: ``invalid_arguments`` if they have none, as in a container that runs under a bare number.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an OSError from Python 3.13 on
        raise TwinlensError(
            "invalid_arguments", "Whoever is logged in here has no name to record decisions under: give --who NAME."
        ) from None


def _queue(address: str | None, settings: Settings) -> Queue | None:
    source: Source | None = None
    if address is not None:
        source = ServerSource(address, settings.feedback_token)
    elif settings.feedback:
        source = StoreSource(settings)
    return None if source is None else Queue(source)


def _as_sent(folder: Path, rows: Sequence[Row], settings: Settings) -> AsSent:
    rules = open_current(settings.model_folder).contract
    as_sent = partial(digests_as_sent, folder, rules=rules, limits=settings.limits)
    as_sent(rows)  # now, rather than when the page is opened
    return as_sent
