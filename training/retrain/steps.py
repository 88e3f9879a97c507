"""A retraining from the first look at the data to the last word: see :func:`retrain`."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from browser.answers import require_page
from training.checkpoint import best_sha256
from training.dataset.twins import twins
from training.files import quiet
from training.progress import say
from training.retrain import candidate, gate, held_out, snapshot
from training.retrain.gate import Verdict, verdict
from training.retrain.judging import judge
from training.retrain.page import render
from training.retrain.request import Prepared, Request
from training.run import as_json, refuse_among_photos
from twinlens import publishing
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.store import ModelVersion, open_current, open_version, publish, write_atomically

RECORD: Final = "retrain.json"
REPORT: Final = "report.html"
BEGUN: Final = "begun.json"
"""What a retraining began from, in its folder: it goes on with the same."""
SCHEMA_VERSION: Final = 1
_STAGED: Final = ".publish-"


def retrain(request: Request) -> dict[str, Any]:
    """Learn what was reviewed since the version in use, and publish it if the gate lets it through.

    Killed at any moment, it goes on with ``resume`` where it was, also between the steps of publishing.

    :return: what ``retrain.json`` holds; ``outcome`` is ``published``, ``refused``, or ``passed`` in a dry run.
    :raises TwinlensError: ``nothing_new`` if the data are those of the version in use; ``already_exists``,
        ``invalid_data``, ``invalid_arguments``, ``training_failed``, ``model_in_use``, or what is wrong with the model.
        The run is kept, and nothing is published.
    """
    quiet()
    _refuse_existing(request)
    in_use, anchor = _versions(request)
    weights = candidate.check_weights(request.weights or candidate.weights_of(in_use.contract))
    if request.page:
        require_page()
    log = publishing.history(request.model)
    source = candidate.source_of(in_use, log)
    prepared = _prepare(request, in_use, anchor, candidate.known_runs(request.trained_on, log))
    say(
        f"{prepared.new_reviews} photos were reviewed since {in_use.contract.model.version}; "
        f"{len(prepared.held_out)} reviewed ones are held out, {len(prepared.test)} are in the fixed test split."
    )
    run = candidate.learn(prepared.data, request.out, source, in_use.contract, weights, request.recipe, request.resume)
    # With the splits that were made where the data set lacks one.
    prepared = replace(prepared, rows=manifest.require(run))
    made, verdicts, compared, classifiers = judge(request, prepared, in_use, run, weights)
    record = _record(request, prepared, in_use, made, verdicts, weights)
    if made is not None and gate.published(verdicts) and not request.dry_run:
        record, verdicts = _publish(request, in_use, made, record, verdicts)
    # The record says that nothing is left to do, so it comes last.
    write_atomically(request.out / REPORT, render(record, verdicts, compared, classifiers))
    write_atomically(request.out / RECORD, as_json(record))
    if record["outcome"] == "published":
        # It lies where it is used from now on. A refused one can be exported by hand, which takes its photos too.
        for name in (candidate.CANDIDATE, snapshot.FOLDER):
            shutil.rmtree(request.out / name, ignore_errors=True)
    return record


def summary(record: dict[str, Any], out: Path) -> str:
    """What came of a retraining, for a terminal."""
    marks = {True: "yes", False: "NO", None: "-"}
    lines = [f"{gate.heading(each['name']).en}: {marks[each['passed']]}. {each['said']}" for each in record["gate"]]
    version = record["candidate"] and record["candidate"]["version"]
    lines.append(
        {
            "published": f"Published: {version} of {record['model']} is in use. `twinlens rollback` goes back.",
            "refused": f"Refused: {record['in_use']['version']} stays in use; the candidate is kept in {out}.",
            "passed": f"{version} would be published (--dry-run); it is kept in {out}.",
        }[record["outcome"]]
    )
    return "\n".join([*lines, f"{out / REPORT} shows both side by side"])


def _refuse_existing(request: Request) -> None:
    refuse_among_photos(request.out, request.data)
    if not request.out.exists() or not any(request.out.iterdir()):
        return
    if not request.resume:
        raise TwinlensError(
            "already_exists", f"{request.out} is there already. --resume goes on with it; else give another --out."
        )
    if (request.out / RECORD).exists():
        raise TwinlensError(
            "already_exists", f"{request.out} is finished: {REPORT} says what came of it. Give another --out."
        )


def _versions(request: Request) -> tuple[ModelVersion, ModelVersion]:
    """The version in use and the last one that a person has published: those of the beginning, where it goes on."""
    path = request.out / BEGUN
    if request.resume and snapshot.taken(request.out) and path.is_file():
        begun = json.loads(path.read_bytes())
        in_use, anchor = (open_version(request.model / begun[name]["version"]) for name in ("in_use", "anchor"))
        if [in_use.digest, anchor.digest] == [begun[name]["digest"] for name in ("in_use", "anchor")]:
            return in_use, anchor
        raise TwinlensError(
            "already_exists",
            f"{request.model} no longer has what {request.out} was begun with: give another --out.",
        )
    in_use = open_current(request.model)
    try:
        anchor = open_version(request.model / publishing.attended_version(request.model))
    except TwinlensError as error:
        if error.code != "model_not_found":
            raise
        if request.unattended:
            raise TwinlensError(
                "model_not_found",
                f"{error.detail} It is the last one that a person has published, which every candidate is held to. Put "
                "it back, or retrain once without --watch, which takes the version in use for it.",
            ) from None
        say(f"{error.detail} It is the last one that a person has published; the version in use takes its place.")
        anchor = in_use
    return in_use, anchor


def _prepare(request: Request, in_use: ModelVersion, anchor: ModelVersion, runs: Sequence[Path]) -> Prepared:
    """The new manifest, what is new in a split and some of it held out, and the photos as they are now."""

    def of(version: ModelVersion) -> list[Row]:
        name, digest = version.contract.model.version, version.contract.dataset.digest
        return held_out.trained_on(request.data, name, digest, runs)

    def prepared(rows: list[Row], base: list[Row]) -> Prepared:
        new = held_out.new_reviews(rows, held_out.set_aside(request.data), base)
        return Prepared(request.out / snapshot.FOLDER, rows, base, anchor, of(anchor), learned, new)

    learned = held_out.learned(request.data, _digests(request.model), runs)
    if request.resume and snapshot.taken(request.out) and (request.out / BEGUN).is_file():
        return prepared(manifest.require(request.out / snapshot.FOLDER), of(in_use))
    with manifest.changing(request.data):
        before = manifest.require(request.data)
        if all(row.split is None for row in before):
            raise TwinlensError(
                "invalid_data",
                f"No photo of {request.data} is in a split, so there is no fixed test split to judge by: run "
                f"`python -m training data split {request.data}` first.",
            )
        base = of(in_use)
        rows = held_out.hold_out(before, base, twins(request.data, before), learned)
        if manifest.digest(rows) == manifest.digest(base):
            raise TwinlensError(
                "nothing_new",
                f"{request.data} is what {in_use.contract.model.version} was trained on: nothing was relabelled, added "
                "or removed since.",
            )
        found = prepared(rows, base)
        if not found.test:
            raise TwinlensError(
                "invalid_data",
                f"None of the test photos of {in_use.contract.model.version} is in {request.data} as it was: there is "
                "nothing to judge a candidate by.",
            )
        if rows != before:
            manifest.write(request.data, rows)
        manifest.keep_present(request.data)
        snapshot.take(request.data, rows, request.out)
    begun = {"schema_version": SCHEMA_VERSION, "in_use": _named(in_use), "anchor": _named(anchor)}
    write_atomically(request.out / BEGUN, as_json(begun))
    return found


def _digests(model: Path) -> set[str]:
    """Of the data of every version that was ever in use and is still there."""
    found = set()
    for name in {entry.version for entry in publishing.history(model)}:
        with contextlib.suppress(TwinlensError):
            found.add(open_version(model / name).contract.dataset.digest)
    return found


def _record(
    request: Request,
    prepared: Prepared,
    in_use: ModelVersion,
    made: ModelVersion | None,
    verdicts: Sequence[Verdict],
    weights: str,
) -> dict[str, Any]:
    passed = made is not None and gate.published(list(verdicts))
    return {
        "schema_version": SCHEMA_VERSION,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "outcome": "passed" if passed else "refused",
        "model": request.model.resolve().name,
        "model_path": str(request.model.resolve()),
        "who": request.who,
        "in_use": _named(in_use),
        "anchor": _named(prepared.anchor),
        "candidate": None if made is None else {**_named(made), "path": str(made.path)},
        "gate": [each.to_json() for each in verdicts],
        "limits": asdict(request.limits),
        "recipe": {**asdict(request.recipe), "weights": weights},
        "data": {
            "path": str(request.data.resolve()),
            "digest": manifest.digest(prepared.rows),
            "digest_before": in_use.contract.dataset.digest,
            "counts": dict(Counter(row.split for row in prepared.rows)),
            "new_reviews": prepared.new_reviews,
            "judged_by": {"test": len(prepared.test), "held-out": len(prepared.held_out)},
        },
    }


def _publish(
    request: Request,
    in_use: ModelVersion,
    made: ModelVersion,
    record: dict[str, Any],
    verdicts: list[Verdict],
) -> tuple[dict[str, Any], list[Verdict]]:
    """Put the candidate beside the other versions and in use, unless the one it was judged by no longer is.

    What was done already, by a process that was killed then, is not done again.
    """
    version = made.contract.model.version
    path = request.model / version
    with publishing.changing(request.model):
        now = open_current(request.model)
        if now.digest not in (in_use.digest, made.digest):
            other = verdict(
                "in-use",
                False,
                "{now} was put in use meanwhile; the candidate was judged by {then}.",
                "期间 {now} 已投入使用，而候选模型是与 {then} 比较的。",
                {},
                now=now.contract.model.version,
                then=in_use.contract.model.version,
            )
            verdicts = [*verdicts, other]
            return {**record, "outcome": "refused", "gate": [each.to_json() for each in verdicts]}, verdicts
        for left in request.model.glob(f"{_STAGED}*"):  # whoever made it no longer holds the model
            shutil.rmtree(left)
        if not path.exists() or open_version(path).digest != made.digest:
            staged = Path(tempfile.mkdtemp(prefix=_STAGED, dir=request.model))
            try:
                staged.chmod(0o755)
                shutil.copytree(made.path, staged, dirs_exist_ok=True)
                publish(staged, request.model, version)
            except BaseException:
                shutil.rmtree(staged, ignore_errors=True)
                raise
        if now.digest != made.digest:
            learned = request.out / candidate.RUN
            sha256 = best_sha256(learned)
            publishing.put_in_use(
                request.model, version, request.who, run=learned, run_sha256=sha256, unattended=request.unattended
            )
    return {**record, "outcome": "published", "candidate": {**record["candidate"], "path": str(path)}}, verdicts


def _named(version: ModelVersion) -> dict[str, Any]:
    return {"version": version.contract.model.version, "digest": version.digest}
