"""A retraining from the first look at the data to the last word: see :func:`retrain`."""

from __future__ import annotations

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
from training.files import quiet
from training.progress import say
from training.retrain import candidate, exports, gate, held_out
from training.retrain.candidate import Recipe
from training.retrain.gate import Limits, Pairs, Verdict, verdict
from training.retrain.page import render
from training.run import as_json, refuse_among_photos
from twinlens import publishing
from twinlens.classifier import Classifier
from twinlens.compare.measure import measure
from twinlens.compare.photos import Photo, Photos
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.report.html import Text
from twinlens.settings import Settings
from twinlens.store import ModelVersion, open_current, publish, write_atomically

RECORD: Final = "retrain.json"
REPORT: Final = "report.html"
SCHEMA_VERSION: Final = 1
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


@dataclass(frozen=True)
class _Prepared:
    """What is learned from, and what is judged by."""

    rows: list[Row]
    base: list[Row]
    test: list[Row]
    held_out: list[Row]
    test_before: int


def retrain(request: Request) -> dict[str, Any]:
    """Learn what was reviewed since the version in use, and publish it if the gate lets it through.

    :return: what ``retrain.json`` holds; ``outcome`` is ``published``, ``refused``, or ``passed`` in a dry run.
    :raises TwinlensError: ``nothing_new`` if the data are those of the version in use; ``already_exists``,
        ``invalid_data``, ``invalid_arguments``, ``training_failed``, ``model_in_use``, or what is wrong with the model.
        The run is kept, and nothing is published.
    """
    quiet()
    _refuse_existing(request)
    in_use = open_current(request.model)
    weights = candidate.check_weights(request.weights or candidate.weights_of(in_use.contract))
    if request.page:
        require_page()
    log = publishing.history(request.model)
    source = candidate.source_of(in_use, log)
    prepared = _prepare(request, in_use, [source])
    since = held_out.new_reviews(prepared.rows, prepared.base)
    say(
        f"{since} photos were reviewed since {in_use.contract.model.version}; {len(prepared.held_out)} reviewed ones "
        f"are held out, {len(prepared.test)} are in the fixed test split."
    )
    run = candidate.learn(request.data, request.out, source, in_use.contract, weights, request.recipe, request.resume)
    prepared = _as_learned(prepared, run)
    made, verdicts, compared, classifiers = _judge(request, prepared, in_use, run, weights)
    record = _record(request, prepared, in_use, made, verdicts, weights)
    if made is not None and gate.published(verdicts) and not request.dry_run:
        record, verdicts = _publish(request, in_use, made, record, verdicts)
    write_atomically(request.out / RECORD, as_json(record))
    write_atomically(request.out / REPORT, render(record, verdicts, compared, classifiers))
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


def _prepare(request: Request, in_use: ModelVersion, runs: Sequence[Path]) -> _Prepared:
    """The new manifest: what is new is in a split, some of it held out; what was there before is kept."""
    with manifest.changing(request.data):
        before = manifest.require(request.data)
        if all(row.split is None for row in before):
            raise TwinlensError(
                "invalid_data",
                f"No photo of {request.data} is in a split, so there is no fixed test split to judge by: run "
                f"`python -m training data split {request.data}` first.",
            )
        given = [request.trained_on] if request.trained_on is not None else []
        base = held_out.trained_on(request.data, in_use.contract.dataset.digest, [*given, *runs])
        rows = held_out.hold_out(before, base)
        if manifest.digest(rows) == manifest.digest(base):
            raise TwinlensError(
                "nothing_new",
                f"{request.data} is what {in_use.contract.model.version} was trained on: nothing was relabelled, added "
                "or removed since.",
            )
        if rows != before:
            manifest.write(request.data, rows)
        manifest.keep_present(request.data)
    prepared = _Prepared(rows, base, *held_out.judged_by(rows, base))
    if not prepared.test:
        raise TwinlensError(
            "invalid_data",
            f"None of the {prepared.test_before} test photos of {in_use.contract.model.version} is in {request.data} "
            "as it was: there is nothing to judge a candidate by.",
        )
    return prepared


def _as_learned(prepared: _Prepared, run: Path) -> _Prepared:
    """What the run has really read: somebody may have reviewed more photos before it began."""
    rows = manifest.require(run)
    return _Prepared(rows, prepared.base, *held_out.judged_by(rows, prepared.base))


def _judge(
    request: Request, prepared: _Prepared, in_use: ModelVersion, run: Path, weights: str
) -> tuple[ModelVersion | None, list[Verdict], list[tuple[Text, dict[str, Any], Photos]], list[Classifier]]:
    """Make the candidate and hold it to everything; a run that cannot be exported is a candidate that is refused."""
    limits = request.limits
    verdicts = [gate.same_test(prepared.test_before, len(prepared.test), limits)]
    try:
        made = candidate.make(run, request.out, request.model, request.data, weights)
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
    labels = set(classifiers[1].contract.label_names)
    lost = [label for label in in_use.contract.label_names if label not in labels]
    compared = []
    found: dict[str, dict[str, Pairs]] = {}
    for what, split, rows in ((_TEST, "test", prepared.test), (_HELD_OUT, manifest.HELD_OUT, prepared.held_out)):
        photos = _photos(request.data, split, rows, classifiers)
        found[split] = {}
        if photos is not None:
            result = measure(photos, classifiers, settings)
            if result["unreadable"]:
                first = result["unreadable"][0]
                raise TwinlensError("invalid_data", f"{first['photo']} cannot be judged by: {first['detail']}")
            found[split] = gate.pairs_by_label(result)
            compared.append((what, result, photos))
    held = found[manifest.HELD_OUT]
    verdicts += [
        gate.not_worse("overall", found["test"], limits),
        gate.labels_kept(found["test"], lost, limits),
        gate.not_worse("held-out", held, limits),
        replace(gate.labels_kept(held, [], limits), name="held-out-labels"),
    ]
    if request.page:
        test = [request.data / row.path for row in prepared.test]
        verdicts.append(exports.page_answers_alike(classifiers[1], test))
    else:
        verdicts.append(exports.page_not_tried())
    return made, verdicts, compared, classifiers


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
        "who": request.who,
        "in_use": _named(in_use),
        "candidate": None if made is None else {**_named(made), "path": str(made.path)},
        "gate": [each.to_json() for each in verdicts],
        "limits": asdict(request.limits),
        "recipe": {**asdict(request.recipe), "weights": weights},
        "data": {
            "path": str(request.data.resolve()),
            "digest": manifest.digest(prepared.rows),
            "digest_before": in_use.contract.dataset.digest,
            "counts": dict(Counter(row.split for row in prepared.rows)),
            "new_reviews": held_out.new_reviews(prepared.rows, prepared.base),
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
    """Copy the candidate beside the other versions and put it in use, unless the one it was judged by no longer is."""
    with publishing.changing(request.model):
        now = open_current(request.model)
        if now.digest != in_use.digest:
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
        version = made.contract.model.version
        staged = Path(tempfile.mkdtemp(prefix=".publish-", dir=request.model))
        try:
            staged.chmod(0o755)
            shutil.copytree(made.path, staged, dirs_exist_ok=True)
            path = publish(staged, request.model, version)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        learned = request.out / candidate.RUN
        publishing.put_in_use(request.model, version, request.who, run=str(learned), run_sha256=best_sha256(learned))
    # It lies where it is used from now on; what could be told apart by a second copy is in the record.
    shutil.rmtree(request.out / candidate.CANDIDATE, ignore_errors=True)
    return {**record, "outcome": "published", "candidate": {**record["candidate"], "path": str(path)}}, verdicts


def _named(version: ModelVersion) -> dict[str, Any]:
    return {"version": version.contract.model.version, "digest": version.digest}
