"""The command ``twinlens compare``: measure two models, print what came of it, write the page."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twinlens.classifier import Classifier
from twinlens.compare.measure import SIDES, measure
from twinlens.compare.page import render
from twinlens.compare.photos import find_photos
from twinlens.report.page import size
from twinlens.settings import Settings
from twinlens.store import open_model, write_atomically


def compare(
    a: Path, b: Path, data: Path, settings: Settings, *, split: str | None, out: Path | None, as_json: bool
) -> int:
    """Compare two models and write what came of it to standard output, and as a page if that is wanted.

    :param a: folder of a model, or of one version of a model.
    :param b: the other one's.
    :param data: the folder of photos.
    :param split: which of its splits; ``None`` for validation, or for all where it has none.
    :param out: the HTML file to write.
    :param as_json: print one JSON object rather than text.
    :return: the exit status: 1 if a photo could not be read, else 0.
    :raises TwinlensError: what is wrong with a model, with the photos, or with the arguments.
    """
    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what is wrong with a photo is reported with its name
    warnings.filterwarnings("ignore", module=r"PIL\.")
    classifiers = [Classifier(open_model(path), settings) for path in (a, b)]
    for classifier in classifiers:
        classifier.warm_up()
    known = {label for classifier in classifiers for label in classifier.contract.label_names}
    photos = find_photos(data, split, known)
    result = measure(photos, classifiers, settings)
    if out is not None:
        write_atomically(out, render(result, photos, classifiers))
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n" if as_json else f"{table(result)}\n")
    if out is not None and not as_json:
        sys.stdout.write(f"{out} shows it\n")
    sys.stdout.flush()
    return 1 if result["unreadable"] else 0


def table(result: Mapping[str, Any]) -> str:
    """A comparison as text: the figures of both, then what tells them apart."""
    models = [result["models"][side] for side in SIDES]
    names = [f"{side.upper()}  {model['name']} {model['version']}" for side, model in zip(SIDES, models, strict=True)]
    split = f" ({result['split']})" if result["split"] else ""
    lines = [*names, f"{result['n']} photos of {result['data']}{split}"]
    rows: list[tuple[str, ...]] = [("", "A", "B")]
    if result["paired"] is not None:
        figures = [model["figures"] for model in models]
        rows += [
            ("top-1", *(f"{each['top1']:.4f}" for each in figures)),
            ("95 % interval", *("{:.3f} to {:.3f}".format(*each["interval"]) for each in figures)),
            ("calibration error", *(f"{each['ece']:.3f}" for each in figures)),
        ]
        rows += [
            (f"recall of {label}", *(f"{each['per_label'][label]['recall']:.3f}" for each in figures))
            for label in figures[0]["per_label"]
        ]
    for export in ("onnx", "tfjs"):
        rows.append((f"{export}, gzipped", *(size(model["exports"][export]["gzip_bytes"]) for model in models)))
    for step in ("photo", "network"):
        rows.append((f"{step}, median", *(f"{model['latency'][step]['median_ms']:.1f} ms" for model in models)))
    wide = [max(len(row[column]) for row in rows) for column in range(3)]
    lines += ["  ".join([row[0].ljust(wide[0]), row[1].rjust(wide[1]), row[2].rjust(wide[2])]).rstrip() for row in rows]
    if (pair := result["paired"]) is not None:
        low, high = pair["interval"]
        lines.append(
            f"B less A: {pair['difference']:+.4f} (95 % interval {low:+.3f} to {high:+.3f}); only A right on "
            f"{pair['only_a']}, only B on {pair['only_b']} (McNemar's p = {pair['p_value']:.3g})"
        )
    lines.append(f"{len(result['differ'])} of {result['n']} photos are answered differently")
    lines += [
        f"left out: {each['n']} photos of {each['label']}, which only {each['known_by'].upper()} knows"
        for each in result["one_sided"]
    ]
    lines += [f"left out: {each['photo']}: {each['detail']}" for each in result["unreadable"]]
    return "\n".join(lines)
