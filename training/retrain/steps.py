"""A retraining from the first look at the data to the last word: see :func:`retrain`."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from browser.answers import require_page
from training.checkpoint import best_sha256
from training.dataset.twins import twins
from training.files import quiet
from training.progress import say
from training.retrain import candidate, exports, gate, held_out, snapshot
from training.retrain.candidate import Recipe
from training.retrain.gate import Limits, Pairs, Verdict, verdict
from training.retrain.page import render
from training.run import as_json, refuse_among_photos
from twinlens import publishing
from twinlens.classifier import Classifier
from twinlens.compare.measure import measure
from twinlens.compare.photos import Photo, Photos
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row, Split
from twinlens.errors import TwinlensError
from twinlens.report.html import Text
from twinlens.settings import Settings
from twinlens.store import ModelVersion, open_current, open_version, publish, write_atomically

RECORD: Final = "retrain.json"
REPORT: Final = "report.html"
BEGUN: Final = "begun.json"
"""What a retraining began from, in its folder: it goes on with the same."""
SCHEMA_VERSION: Final = 1
_STAGED: Final = ".publish-"
_TEST: Final = Text("On the fixed test split", "固定的测试集")
_HELD_OUT: Final = Text("On reviewed photos held out", "留出的复核照片")
# What says that a candidate is none, rather than that the command could not be carried out.
_NO_CANDIDATE: Final = ("export_mismatch", "unsupported_operation")


@dataclass(frozen=True)
class Request:
    """What a retraining is asked for."""

    data: Path
    model: Path
    """Folder of the model, ``MODELS/NAME``."""
    out: Path
    who: str
    trained_on: Path | None = None
    """Folder of the run, or the manifest, that the version in use was trained on, where the data set has none."""
    weights: str | None = None
    """One of :data:`training.rounding.WEIGHTS`; by default those of the version in use."""
    limits: Limits = field(default_factory=Limits)
    recipe: Recipe = field(default_factory=Recipe)
    page: bool = True
    """Try the candidate in the built page."""
    dry_run: bool = False
    resume: bool = False
    unattended: bool = False
    """Nobody waits for it, as in ``--watch``: what it publishes is not what a person has published."""


@dataclass(frozen=True)
class _Prepared:
    """What is learned from, and what is judged by."""

    data: Path
    """Folder of the photos as they were when the retraining began."""
    rows: list[Row]
    base: list[Row]
    """What the version in use was trained on."""
    anchor: ModelVersion
    """The last version that a person has published; mostly the one in use."""
    anchor_base: list[Row]
    learned_before: set[str]
    """SHA-256 of the photos that any published version has learned from."""
    new_reviews: int

    @property
    def test(self) -> list[Row]:
        """The test photos that are as they were for the version in use."""
        return held_out.unchanged(self.rows, self.base, "test")[0]

    @property
    def held_out(self) -> list[Row]:
        """The reviewed photos that nothing has learned from."""
        return held_out.to_judge_by(self.rows, self.learned_before)


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
    prepared = _prepare(request, in_use, anchor, [source, *(Path(entry.run) for entry in log if entry.run)])
    say(
        f"{prepared.new_reviews} photos were reviewed since {in_use.contract.model.version}; "
        f"{len(prepared.held_out)} reviewed ones are held out, {len(prepared.test)} are in the fixed test split."
    )
    run = candidate.learn(prepared.data, request.out, source, in_use.contract, weights, request.recipe, request.resume)
    # With the splits that were made where the data set lacks one.
    prepared = replace(prepared, rows=manifest.require(run))
    made, verdicts, compared, classifiers = _judge(request, prepared, in_use, run, weights)
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


def _prepare(request: Request, in_use: ModelVersion, anchor: ModelVersion, runs: Sequence[Path]) -> _Prepared:
    """The new manifest, what is new in a split and some of it held out, and the photos as they are now."""
    runs = [*([request.trained_on] if request.trained_on is not None else []), *runs]

    def of(version: ModelVersion) -> list[Row]:
        name, digest = version.contract.model.version, version.contract.dataset.digest
        return held_out.trained_on(request.data, name, digest, runs)

    def prepared(rows: list[Row], base: list[Row]) -> _Prepared:
        new = held_out.new_reviews(rows, held_out.set_aside(request.data), base)
        return _Prepared(request.out / snapshot.FOLDER, rows, base, anchor, of(anchor), learned, new)

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


def _judge(
    request: Request, prepared: _Prepared, in_use: ModelVersion, run: Path, weights: str
) -> tuple[ModelVersion | None, list[Verdict], list[tuple[Text, dict[str, Any], Photos]], list[Classifier]]:
    """Make the candidate and hold it to everything; a run that cannot be exported is a candidate that is refused."""
    limits = request.limits
    anchored = prepared.anchor.digest != in_use.digest
    verdicts = _splits(prepared, "", in_use, prepared.base, limits)
    if anchored:
        verdicts += _splits(prepared, "anchor-", prepared.anchor, prepared.anchor_base, limits)
    try:
        made = candidate.make(run, request.out, request.model, prepared.data, weights)
    except TwinlensError as error:
        if error.code not in _NO_CANDIDATE:
            raise
        return None, [*verdicts, verdict("parity", False, "{why}", "{why}", {}, why=error.detail)], [], []
    settings = Settings()
    parity = exports.server_answers(made)
    verdicts.append(parity)
    if not parity.passed:
        return made, verdicts, [], []
    classifiers = [Classifier(in_use, settings), Classifier(made, settings)]
    compared = []
    found: dict[str, Any] = {}
    for what, split, rows in ((_TEST, "test", prepared.test), (_HELD_OUT, manifest.HELD_OUT, prepared.held_out)):
        photos = _photos(prepared.data, split, rows, classifiers)
        found[split] = None
        if photos is not None:
            found[split] = _measured(photos, classifiers, settings)
            compared.append((what, found[split], photos))
    held = _pairs(found[manifest.HELD_OUT])
    verdicts += [
        gate.not_worse("overall", _pairs(found["test"]), limits),
        gate.labels_kept("labels", _pairs(found["test"]), _lost(classifiers), limits),
        gate.scores_kept("scores", found["test"], limits),
        gate.not_shown_worse("held-out", held),
        gate.labels_kept("held-out-labels", held, [], limits),
    ]
    if anchored:
        verdicts += _since_anchor(prepared, classifiers[1], settings, limits)
    if request.page:
        test = [prepared.data / row.path for row in prepared.test]
        verdicts.append(exports.page_answers_alike(classifiers[1], test))
    else:
        verdicts.append(exports.page_not_tried())
    return made, verdicts, compared, classifiers


def _splits(prepared: _Prepared, prefix: str, version: ModelVersion, base: list[Row], limits: Limits) -> list[Verdict]:
    """Whether test and validation are what they were for a version."""
    found = []
    splits: tuple[Split, ...] = ("test", "validation")
    for split in splits:
        kept, before = held_out.unchanged(prepared.rows, base, split)
        name = version.contract.model.version
        found.append(gate.same_split(f"{prefix}{split}-split", name, before, len(kept), limits))
    return found


def _since_anchor(prepared: _Prepared, made: Classifier, settings: Settings, limits: Limits) -> list[Verdict]:
    """What was lost since the last version that a person has published, by its test photos and its labels."""
    classifiers = [Classifier(prepared.anchor, settings), made]
    rows = held_out.judge_of_then(prepared.rows, prepared.anchor_base)
    photos = _photos(prepared.data, "test", rows, classifiers)
    result = None if photos is None else _measured(photos, classifiers, settings)
    return [
        gate.not_fallen("anchor", _pairs(result), limits),
        gate.labels_kept("anchor-labels", _pairs(result), _lost(classifiers), limits),
        gate.scores_kept("anchor-scores", result, limits),
    ]


def _measured(photos: Photos, classifiers: Sequence[Classifier], settings: Settings) -> dict[str, Any]:
    result = measure(photos, classifiers, settings)
    if result["unreadable"]:
        first = result["unreadable"][0]
        raise TwinlensError("invalid_data", f"{first['photo']} cannot be judged by: {first['detail']}")
    return result


def _pairs(result: dict[str, Any] | None) -> dict[str, Pairs]:
    return {} if result is None else gate.pairs_by_label(result)


def _lost(classifiers: Sequence[Classifier]) -> list[str]:
    """The labels that the first one knows and the second does not."""
    before, now = (classifier.contract.label_names for classifier in classifiers)
    return [label for label in before if label not in set(now)]


def _photos(data: Path, split: str, rows: Sequence[Row], classifiers: Sequence[Classifier]) -> Photos | None:
    """Photos whose labels both know, as a comparison takes them; nothing where there is none."""
    known = set.intersection(*(set(classifier.contract.label_names) for classifier in classifiers))
    photos = [Photo(data / row.path, row.label) for row in rows if row.label in known]
    return Photos(data, split, sorted(photos, key=lambda photo: photo.path)) if photos else None


def _record(
    request: Request,
    prepared: _Prepared,
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
