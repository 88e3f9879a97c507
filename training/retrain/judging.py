"""Making a candidate and holding it to everything that :mod:`training.retrain.gate` asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from training.retrain import candidate, exports, gate, held_out
from training.retrain.gate import Limits, Pairs, Verdict, verdict
from training.retrain.request import Prepared, Request
from twinlens.classifier import Classifier
from twinlens.compare.measure import measure
from twinlens.compare.photos import Photo, Photos
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row, Split
from twinlens.errors import TwinlensError
from twinlens.report.html import Text
from twinlens.settings import Settings
from twinlens.store import ModelVersion

_TEST: Final = Text("On the fixed test split", "固定的测试集")
_HELD_OUT: Final = Text("On reviewed photos held out", "留出的复核照片")
# What says that a candidate is none, rather than that the command could not be carried out.
_NO_CANDIDATE: Final = ("export_mismatch", "unsupported_operation")


def judge(
    request: Request, prepared: Prepared, in_use: ModelVersion, run: Path, weights: str
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


def _splits(prepared: Prepared, prefix: str, version: ModelVersion, base: list[Row], limits: Limits) -> list[Verdict]:
    """Whether test and validation are what they were for a version."""
    found = []
    splits: tuple[Split, ...] = ("test", "validation")
    for split in splits:
        kept, before = held_out.unchanged(prepared.rows, base, split)
        name = version.contract.model.version
        found.append(gate.same_split(f"{prefix}{split}-split", name, before, len(kept), limits))
    return found


def _since_anchor(prepared: Prepared, made: Classifier, settings: Settings, limits: Limits) -> list[Verdict]:
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
