"""Whether a candidate's two exports work and answer alike: the golden pictures, and some photos of test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from browser.answers import page_answers
from training.retrain.gate import Verdict, verdict
from twinlens import golden
from twinlens.classifier import Classifier
from twinlens.errors import TwinlensError
from twinlens.inference import Network
from twinlens.store import ModelVersion

_PHOTOS: Final = 8
_SCORE_TOLERANCE: Final = 0.005
"""Of golden pictures, whose pixels are the same on both sides: the logits' tolerance, divided by the temperature."""


def server_answers(version: ModelVersion) -> Verdict:
    """Whether every file is there and the graph of the server gives the golden answers."""
    try:
        golden.check_whole(Network(version))
    except TwinlensError as error:
        return verdict("parity", False, "{why}", "{why}", {}, why=error.detail)
    return verdict("parity", True, "Every file and every golden answer is right.", "所有文件和黄金答案均正确。", {})


def page_answers_alike(classifier: Classifier, photos: Sequence[Path]) -> Verdict:
    """Whether the page runs the other export and answers as the server does.

    :param classifier: the candidate as the server runs it.
    :param photos: some of them are given to the page, beside the golden pictures.
    :raises TwinlensError: ``missing_page`` or ``missing_requirement`` where the page cannot be tried at all.
    """
    version = classifier.version
    cases = list(golden.cases(version))
    some = list(photos[:: max(1, -(-len(photos) // _PHOTOS))])
    files = [version.path / case.image for case in cases] + some
    try:
        answers = page_answers(version, files)
    except TwinlensError as error:
        if error.code != "export_mismatch":
            raise
        return verdict("exports", False, "{why}", "{why}", {}, why=error.detail)
    largest = 0.0
    for index, (file, answer) in enumerate(zip(files, answers, strict=True)):
        is_golden = index < len(cases)
        if answer.scores is None:
            if is_golden:
                why = f"The page cannot read the golden picture {file.name}."
                return verdict("exports", False, "{why}", "{why}", {}, why=why)
            continue  # a format that only the server reads
        pixels = classifier.pixels(classifier.read_header(file.read_bytes()))
        off = float(np.abs(np.array(answer.scores) - classifier.scores(pixels[None])[0]).max())
        allowed = _SCORE_TOLERANCE if is_golden else classifier.contract.golden.tolerances.score_lossy
        if off > allowed or (is_golden and answer.input_sha256 != cases[index].input_sha256):
            why = f"On {file.name} the page's scores are off by {off:.2g} from the server's (at most {allowed:g})"
            return verdict(
                "exports", False, "{why}", "{why}", {"off": off}, why=f"{why}, or its pixels are not the golden ones."
            )
        largest = max(largest, off)
    return verdict(
        "exports",
        True,
        "The page answers {n} pictures as the server does; scores differ by {off} at most.",
        "网页对 {n} 张图片的回答与服务器一致，分数最多相差 {off}。",
        {"n": len(files), "off": largest},
        n=str(len(files)),
        off=f"{largest:.2g}",
    )


def page_not_tried() -> Verdict:
    """What stands in the record where somebody has left the page out."""
    return verdict("exports", None, "Not tried (--no-page).", "未测试（--no-page）。", {})
