"""What each command of ``python -m training data`` does, from its arguments to what it prints.

The modules that do the work are imported by the command that needs them: scikit-learn and its kind take seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from training.progress import say
from training.run import as_json
from twinlens.dataset import manifest
from twinlens.dataset.manifest import MANIFEST
from twinlens.errors import TwinlensError
from twinlens.folders import readable
from twinlens.store import write_atomically

TOKEN: Final = "OPENVERSE_TOKEN"
"""Environment variable with the token of a registered client of Openverse. Not one of the server's settings."""
CHECK_JSON: Final = "check.json"
CHECK_PAGE: Final = "check.html"

_SHOWN: Final = 20


def run_collect(options: argparse.Namespace) -> None:
    """Collect, and say what came of it.

    :raises TwinlensError: ``invalid_arguments`` if no source or two are named; as :func:`collect.collect` does.
    """
    from training.dataset.collect import collect
    from training.dataset.sources import OPENVERSE, SEARCHES, Source, Table
    from training.dataset.web import Client, Manners

    if (options.urls is None) == (options.search is None):
        raise TwinlensError("invalid_arguments", "Give either --urls CSV or --search SOURCE --label LABEL.")
    if not (options.contact or "").isascii() or not (options.contact or " ").isprintable():
        raise TwinlensError("invalid_arguments", "--contact is sent as a header: give it in plain ASCII characters.")
    if options.search is not None and options.label is None:
        raise TwinlensError("invalid_arguments", "Give the --label of what --search finds.")
    manners = Manners(
        contact=options.contact,
        per_second=options.per_second,
        retries=options.retries,
        timeout=options.timeout,
        longest_wait=options.longest_wait,
        most_bytes=round(options.max_mib * (1 << 20)),
    )
    with Client(manners) as client:
        source: Source
        if options.urls is not None:
            source = Table(options.urls)
        else:
            source = SEARCHES[options.search](
                client,
                options.query or options.label,
                _label(options.label),
                options.limit,
                tuple(options.licence),
                options.source_url or OPENVERSE,
                os.environ.get(TOKEN),
            )
        result = collect(options.data, source, client, options.connections)
    if options.json:
        problems = [{"url": url, "reason": reason} for url, reason in result.problems]
        say(_json({**result.counts, "before": result.before, "problems": problems}))
        return
    _list("not taken", result.problems)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in result.counts.items())
    say(f"{readable(options.data)}: {counts}; {result.before} were dealt with before")


def run_import(options: argparse.Namespace) -> None:
    """Import, and say what came of it.

    :raises TwinlensError: as :mod:`training.dataset.importing` does.
    """
    from training.dataset import importing
    from training.dataset.intake import About

    about = About("", options.origin, None, None, None, options.creator, options.licence, options.licence_url)
    source: str | None = options.source
    if source is None:
        result = importing.import_in_place(options.data, about)
    elif source.startswith(importing.TORCHVISION):
        name = source.removeprefix(importing.TORCHVISION)
        downloads = options.downloads or options.data.with_name(f"{options.data.name}-downloads")
        result = importing.import_torchvision(options.data, name, about, downloads)
    elif Path(source).is_file():
        result = importing.import_zip(options.data, Path(source), about)
    else:
        result = importing.import_folder(options.data, Path(source), about)
    if options.json:
        left_out = [{"name": name, "reason": reason} for name, reason in result.left_out]
        say(_json({"new": result.new, "known": result.known, "left_out": left_out}))
        return
    _list("left out", result.left_out)
    say(f"{readable(options.data)}: {result.new} new, {result.known} there already, {len(result.left_out)} left out")


def run_verify(options: argparse.Namespace) -> None:
    """Verify, move, and say what was found.

    :raises TwinlensError: as :func:`training.dataset.verify.verify` does.
    """
    from training.dataset.verify import REASONS, verify
    from twinlens.dataset.quarantine import set_aside

    if unknown := sorted(set(options.keep) - set(REASONS)):
        raise TwinlensError("invalid_arguments", f"--keep {unknown[0]} is none of {', '.join(REASONS)}.")
    if not options.data.is_dir():
        raise TwinlensError("invalid_data", f"There is no folder {readable(options.data)}.")
    with manifest.changing(options.data):
        found = verify(options.data, options.min_edge, round(options.max_mib * (1 << 20)))
        bad = [finding for finding in found.findings if finding.reason not in options.keep]
        moved = 0 if options.dry_run or not bad else set_aside(options.data, bad)
    if options.json:
        findings = [vars(finding) for finding in found.findings]
        say(
            _json(
                {
                    "files": found.files,
                    "moved": moved,
                    "findings": findings,
                    "unlisted": found.unlisted,
                    "linked": found.linked,
                }
            )
        )
        return
    _list("linked", [(path, "it is a link to a folder, from which nothing is moved") for path in found.linked])
    _list("found", [(each.path, f"{each.reason}: {each.detail}") for each in found.findings])
    _list("unlisted", [(path, f"it is not in {MANIFEST}; `import DATA` takes it in") for path in found.unlisted])
    counts = Counter(finding.reason for finding in found.findings)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items())) or "nothing wrong"
    say(f"{readable(options.data)}: {found.files} files, {reasons}; {moved} set aside")


def run_dedupe(options: argparse.Namespace) -> None:
    """Find copies, move them, and say what was found.

    :raises TwinlensError: as :func:`training.dataset.dedupe.find_duplicates` does.
    """
    from training.dataset.dedupe import find_duplicates
    from twinlens.dataset.quarantine import set_aside

    manifest.require(options.data)
    with manifest.changing(options.data):
        found = find_duplicates(options.data, options.near)
        moved = 0 if options.dry_run or not found.set_aside else set_aside(options.data, found.findings())
    if options.json:
        conflicts = [{"path": each.row.path, "of": each.of.path} for each in found.conflicts]
        say(_json({"moved": moved, "findings": [vars(each) for each in found.findings()], "conflicts": conflicts}))
        return
    _list("copy", [(each.path, each.detail) for each in found.findings()])
    _list("conflict", [(each.row.path, each.describe()) for each in found.conflicts])
    say(
        f"{readable(options.data)}: {len(found.set_aside)} copies, {found.leaks} of them leaks; "
        f"{len(found.conflicts)} conflicts; {moved} set aside"
    )


def run_split(options: argparse.Namespace) -> None:
    """Divide, and say how many went where.

    :raises TwinlensError: as :func:`training.dataset.split.split` does.
    """
    from training.dataset.split import split

    manifest.require(options.data)
    try:
        pattern = None if options.group is None else re.compile(options.group)
    except re.error as error:
        raise TwinlensError("invalid_arguments", f"--group is no regular expression: {error}.") from None
    with manifest.changing(options.data):
        rows = split(options.data, options.seed, options.validation, options.test, options.near, options.anew, pattern)
    counts = Counter(str(row.split) for row in rows)
    digest = manifest.digest(rows)
    if options.json:
        say(_json({"counts": counts, "digest": digest}))
        return
    names = ["train", "validation", "test", *([manifest.HELD_OUT] if counts[manifest.HELD_OUT] else [])]
    said = ", ".join(f"{counts[name]} {name}" for name in names)
    say(f"{readable(options.data)}: {said}; digest {digest[:12]}")


def run_check(options: argparse.Namespace) -> None:
    """Look the data set over, write the report, and say what matters.

    :raises TwinlensError: as :func:`training.dataset.check.check` does; ``unfit_data`` with ``--strict``.
    """
    from training.dataset.check import check
    from training.dataset.page import render

    checked = check(options.data, options.near, options.arch, options.init, not options.no_labels)
    found = checked.to_json()
    out = options.out or Path("report", "data", options.data.resolve().name)
    write_atomically(out / CHECK_JSON, as_json(found))
    write_atomically(out / CHECK_PAGE, render(checked))
    if options.json:
        say(as_json({**found, "report": str(out / CHECK_PAGE)}).decode().rstrip())
    else:
        doubtful = "" if checked.noise is None else f", {len(checked.noise.doubts)} doubtful labels"
        say(
            f"{readable(options.data)}: {len(checked.rows)} photos, {len(found['balance'])} labels, "
            f"{len(checked.leaks)} leaks, {len(checked.conflicts)} conflicts{doubtful}"
        )
        say(f"warnings: {', '.join(found['warnings']) or 'none'}")
        say(f"{out / CHECK_PAGE} shows it, {out / CHECK_JSON} holds it all")
    grave = [name for name in found["warnings"] if name in ("leaks", "torn_groups", "conflicts")]
    if options.strict and grave:
        raise TwinlensError("unfit_data", f"{readable(options.data)} has {', '.join(grave)}: see {out / CHECK_PAGE}.")


def run_restore(options: argparse.Namespace) -> None:
    """Bring back, or list.

    :raises TwinlensError: as :func:`twinlens.dataset.quarantine.restore` does; ``invalid_arguments`` for a path that
        is not there.
    """
    from twinlens.dataset.quarantine import entries, restore

    if not options.data.is_dir():
        raise TwinlensError("invalid_data", f"There is no folder {readable(options.data)}.")
    there = entries(options.data)
    if unknown := sorted(set(options.paths) - {entry["path"] for entry in there}):
        raise TwinlensError("invalid_arguments", f"{unknown[0]} is not in the quarantine of {readable(options.data)}.")
    back: list[str] = []
    if options.all or options.paths or options.reason:
        with manifest.changing(options.data):
            back = restore(
                options.data,
                lambda entry: options.all or entry["path"] in options.paths or entry["reason"] == options.reason,
            )
        there = entries(options.data)
    if options.json:
        say(_json({"restored": back, "quarantine": there}))
        return
    _list("set aside", [(entry["path"], f"{entry['reason']}: {entry['detail']}") for entry in there])
    say(f"{readable(options.data)}: {len(back)} restored, {len(there)} in quarantine")


def _list(what: str, found: Sequence[tuple[str, str]]) -> None:
    """Lines for a person, the first of them where there are many."""
    for name, reason in found[:_SHOWN]:
        say(_printable(f"{what}: {name}: {reason}"))
    if len(found) > _SHOWN:
        say(f"{what}: {len(found) - _SHOWN} more; --json lists all")


def _label(text: str) -> str:
    try:
        return manifest.check_label(text)
    except ValueError as error:
        raise TwinlensError("invalid_arguments", f"--label: {error}.") from None


def _json(value: object) -> str:
    return _printable(json.dumps(value, ensure_ascii=False, indent=2))


def _printable(text: str) -> str:
    """Text whose names that are not UTF-8 are escaped, as JSON escapes them too."""
    return text.encode(errors="backslashreplace").decode()
