"""``twinlens review DATA``: judge the photos, then serve the page until it is interrupted."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Final

import uvicorn

from twinlens.address import free_address
from twinlens.classifier import Classifier
from twinlens.dataset import manifest
from twinlens.errors import TwinlensError
from twinlens.folders import readable
from twinlens.review.decide import Reviewer
from twinlens.review.doubts import judge, read_issues
from twinlens.review.server import application
from twinlens.settings import Settings

HOST: Final = "127.0.0.1"
PORT: Final = 3001


def review(
    folder: Path, settings: Settings, *, who: str | None, issues: Path | None, port: int, page: Path, judged: bool
) -> int:
    """Serve the page of a data set.

    :param folder: of the data set, which has a manifest.
    :param who: recorded with each decision; the name of whoever is logged in by default.
    :param issues: a ``check.json``; by default the one that ``python -m training data check`` has written here, if any.
    :param page: folder of the built page.
    :param judged: have the model in use answer every photo first.
    :return: the exit status.
    :raises TwinlensError: what is wrong with the data set, the model, the issues or the address.
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
    model = judge(folder, rows, Classifier.current(settings), settings) if judged else None
    free_address(HOST, port, "twinlens review DATA")
    app = application(reviewer, page, model, doubted)
    sys.stderr.write(
        f"{len(rows)} photos, {len(doubted)} doubtful labels. Open http://{HOST}:{port} (Ctrl-C ends it); decisions "
        f"are {reviewer.who}'s.\n"
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
