"""The report's sections on what went wrong: which labels are taken for which, and the photos of the highest loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from training.report.activation import Pictures
from training.target import Measured
from twinlens.report import charts
from twinlens.report.html import SPACE, Content, Markup, Text, both, el
from twinlens.report.page import figure, percent, photo, photos, section, table

NOT_EXPORTED: Final = Text(
    "This is a training run that has not been exported. Export it and evaluate the model to see this.",
    "这是一次尚未导出的训练。导出后对模型做评估，即可看到这部分。",
)
_MOST_IN_MATRIX: Final = 40
_MOST_PAIRS: Final = 8


def confusion(metrics: Mapping[str, Any], names: Mapping[str, Text]) -> Markup:
    """The confusion matrix, and the most frequent mistakes as text.

    :param metrics: what :func:`training.report.figures.figures` gave.
    :param names: what people are shown of each label.
    """
    labels, counts = metrics["confusion"]["labels"], np.array(metrics["confusion"]["counts"])
    wrong = counts - np.diag(np.diag(counts))
    kept = np.arange(len(labels))
    left_out = None
    if len(labels) > _MOST_IN_MATRIX:
        mistakes = wrong.sum(axis=0) + wrong.sum(axis=1)
        kept = np.sort(np.argsort(-mistakes, kind="stable")[:_MOST_IN_MATRIX])
        left_out = both(
            "Shown are the {shown} of {all} labels with the most mistakes; metrics.json has them all.",
            "这里只显示错误最多的 {shown} 个标签（共 {all} 个），全部数据见 metrics.json。",
            shown=_MOST_IN_MATRIX,
            all=len(labels),
        )
    matrix = charts.matrix(
        counts[np.ix_(kept, kept)],
        [names[labels[index]] for index in kept],
        both("answered", "回答"),
        both("right label", "正确标签"),
    )
    caption = both(
        "A row for each right label, a column for each answer: what was right is on the diagonal. The tint shows the "
        "share of the row.",
        "每行是一个正确标签，每列是一个回答，对角线上是答对的。颜色深浅表示占该行的比例。",
    )
    return section(
        both("What is taken for what", "把什么认成了什么"),
        figure(matrix, [caption, SPACE, left_out], scroll=True),
        _pairs(wrong, [names[label] for label in labels]),
    )


def costliest(
    measured: Measured, metrics: Mapping[str, Any], names: Mapping[str, Text], shown: Sequence[Pictures]
) -> Markup:
    """The photos of the highest loss, with where the network looked if that can be told.

    :param metrics: what :func:`training.report.figures.figures` gave.
    :param names: what people are shown of each label.
    :param shown: pictures of the photos of ``highest_loss``, in their order.
    """
    cards = []
    for found, images in zip(metrics["highest_loss"], shown, strict=True):
        answer, label = names[found["answer"]], names[found["label"]]
        wrong = found["answer"] != found["label"]
        answers: list[tuple[Content, Content, bool | None]] = [(answer, percent(found["answer_score"]), wrong)]
        if wrong:
            answers.append((both("right: {label}", "正确：{label}", label=label), percent(found["label_score"]), None))
        sources = [images.photo] if images.activation is None else [images.photo, images.activation]
        cards.append(photo(sources, found["photo"], answers))
    explained = both(
        "The {n} photos whose right label got the least score, the worst first, each as the network saw it.",
        "正确标签得分最低的 {n} 张照片，最差的在前，均按网络所见显示。",
        n=len(cards),
    )
    with_map = any(each.activation for each in shown)
    return section(
        both("The photos that it got most wrong", "错得最厉害的照片"),
        el("p", explained, SPACE, _beside(measured, with_map)),
        photos(cards, single=not with_map),
    )


def _pairs(wrong: np.ndarray[Any, np.dtype[np.integer[Any]]], names: Sequence[Text]) -> Markup:
    """The most frequent mistakes, from counts whose diagonal is 0."""
    found = sorted((-int(wrong[row, column]), int(row), int(column)) for row, column in np.argwhere(wrong))
    if not found:
        return el("p", both("No photo was answered wrongly.", "没有一张照片答错。"))
    rows: list[list[Content]] = [
        [both("{right} taken for {answer}", "把{right}认成{answer}", right=names[row], answer=names[column]), -count]
        for count, row, column in found[:_MOST_PAIRS]
    ]
    return table([both("Most frequent mistakes", "最常见的错误"), both("photos", "照片")], rows)


def _beside(measured: Measured, with_map: bool) -> Text:
    if with_map:
        return both(
            "Beside it, tinted, is what spoke for the answer (class activation map, Zhou et al. 2016).",
            "旁边着色处是支持该回答的区域（类激活图，Zhou 等，2016）。",
        )
    if measured.target.version is None:
        return both("There are no activation maps. {why}", "没有类激活图。{why}", why=NOT_EXPORTED)
    return both(
        "There are no activation maps: this network's head is more than an average and one linear layer, so its "
        "contract has no class_map.",
        "没有类激活图：该网络的输出头不只是“平均加一个线性层”，因此契约中没有 class_map。",
    )
