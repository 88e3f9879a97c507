"""``twinlens feedback``: what visitors said of answers, in the store that the settings name."""

from __future__ import annotations

import argparse
import json
import sys

from twinlens.errors import TwinlensError
from twinlens.feedback.desk import Desk, require_kept
from twinlens.feedback.rows import Feedback
from twinlens.settings import Settings

_PAGE = 500


def feedback(settings: Settings, what: str, options: argparse.Namespace) -> int:
    """List, count or remove.

    :param what: ``list``, ``stats`` or ``remove``.
    :return: the exit status.
    :raises TwinlensError: ``invalid_setting`` if the settings name no store, or one that is not there;
        ``feedback_unavailable``, ``not_found``.
    """
    if not settings.feedback:
        raise TwinlensError("invalid_setting", "No feedback is kept: TWINLENS_FEEDBACK is empty. See docs/feedback.md.")
    require_kept(settings)
    desk = Desk(settings)
    try:
        if what == "remove":
            desk.remove(options.id)
            sys.stdout.write(f"{options.id} is removed.\n")
        elif what == "stats":
            _write_counts(desk, as_json=options.json)
        else:
            after = 0
            while page := desk.store.page(options.state, _PAGE, after):
                for each in page:
                    sys.stdout.write((each.model_dump_json() if options.json else _line(each)) + "\n")
                after = page[-1].sequence
    finally:
        desk.close()
    return 0


def _line(each: Feedback) -> str:
    said = "none of the labels" if each.label is None else each.label
    decided = f" -> {each.decision.label} by {each.decision.who}" if each.decision and each.decision.label else ""
    return (
        f"{each.id}  {each.received}  {each.state}{decided}: says {said}, the model {each.predicted} {each.score:.1%}"
    )


def _write_counts(desk: Desk, *, as_json: bool) -> None:
    counts = desk.store.counts()
    if as_json:
        sys.stdout.write(f"{json.dumps(counts)}\n")
        return
    states = ", ".join(f"{number} {state}" for state, number in counts["states"].items())
    sys.stdout.write(
        f"{counts['feedback']} words of {counts['clients']} clients on {counts['photos']} photos "
        f"({counts['bytes'] / 2**20:.1f} MiB): {states}. The model was right in {counts['right']}.\n"
    )
