"""The report's sections on what a score is worth: the reliability diagram, and the threshold of "not sure"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from training.target import Measured
from twinlens.inference import softmax
from twinlens.metrics import Bin
from twinlens.report import charts
from twinlens.report.html import SPACE, Content, Markup, Text, both, el
from twinlens.report.page import details, figure, interval, percent, section, table

_FITTED: Final = {
    "contract": (
        "The temperature, {value}, is the contract's, fitted on validation.",
        "温度 {value} 取自模型契约，在验证集上拟合。",
    ),
    "validation": (
        "The temperature, {value}, was fitted on the run's validation photos, as an export does.",
        "温度 {value} 在该训练的验证集上拟合，与导出时的做法相同。",
    ),
    "no": (
        "No temperature was fitted, since these are not the photos of the run.",
        "没有拟合温度，因为这些不是该训练所用的照片。",
    ),
}
_RIGHT: Final = Text("right", "正确率")


def reliability(metrics: Mapping[str, Any]) -> Markup:
    """Accuracy by score, with the calibration error and what it would be by chance.

    :param metrics: what :func:`training.report.figures.figures` gave.
    """
    calibration = metrics["calibration"]
    bins = [Bin(**each) for each in calibration["bins"]]
    caption = both(
        "Answers sorted by their score into {count} bins of equal width. A bar that ends on the diagonal is right as "
        "often as its score says; orange is what is missing, a pale end what is right beyond that; the lines are 95% "
        "Wilson intervals. Below: how many photos each bin holds.",
        "回答按分数分入 {count} 个等宽区间。柱顶落在对角线上，表示正确率与分数一致；橙色是不足的部分，"
        "浅色是超出的部分；竖线为 95% Wilson 区间。下方：各区间的照片数。",
        count=len(bins),
    )
    explained = both(
        "The expected calibration error is {ece}: how far a bin's accuracy is from its mean score, averaged over the "
        "photos ({count} bins of equal width; Guo et al. 2017). With bins of equally many photos it is {number}; "
        "without the temperature it would be {without}.",
        "期望校准误差为 {ece}：各区间正确率与平均分数之差，按照片数平均（{count} 个等宽区间；Guo 等，2017）。"
        "若各区间照片数相同，则为 {number}；不用温度则为 {without}。",
        ece=f"{metrics['ece']:.3f}",
        count=len(bins),
        number=f"{calibration['ece_equal_number']:.3f}",
        without=f"{calibration['ece_without_temperature']:.3f}",
    )
    chance = both(
        "It is never 0 on so few photos: scores that were exactly right would show {mean} on average, and up to {p95} "
        "in 95 of 100 cases.",
        "照片有限，它不会是 0：即使分数完全准确，平均也会得到 {mean}，100 次中有 95 次不超过 {p95}。",
        mean=f"{calibration['ece_by_chance']:.3f}",
        p95=f"{calibration['ece_by_chance_p95']:.3f}",
    )
    rows: list[list[Content]] = [
        [f"{each.low:.2f}–{each.high:.2f}", each.n, percent(each.score), percent(each.accuracy)]
        for each in bins
        if each.n
    ]
    head = [both("Score", "分数"), both("photos", "照片"), both("mean score", "平均分数"), _RIGHT]
    return section(
        both("Can the scores be believed?", "分数可信吗？"),
        figure(charts.reliability_diagram(bins, both("score of the answer", "回答的分数"), _RIGHT), caption),
        el("p", explained),
        el("p", chance, SPACE, both(*_FITTED[calibration["fitted"]], value=f"{metrics['temperature']:g}")),
        details(both("The bins as a table", "以表格显示"), table(head, rows)),
    )


def not_sure(measured: Measured, metrics: Mapping[str, Any]) -> Markup | None:
    """What the threshold does; nothing where there is none.

    :param metrics: what :func:`training.report.figures.figures` gave.
    """
    sure = metrics["not_sure"]
    if sure is None:
        return None
    scores = softmax(measured.logits, measured.calibration.temperature)
    surest_first = np.argsort(-scores.max(axis=1), kind="stable")
    right = (scores.argmax(axis=1) == measured.targets)[surest_first]
    n = len(right)
    answered = np.arange(1, n + 1)
    accuracy = np.cumsum(right) / answered
    # Over the first few photos the line jumps between 0 and 1 and says nothing; more than 400 points nobody sees.
    drawn = slice(n // 20, None, max(1, n // 400))
    mark = (sure["n"] / n, sure["accuracy"]) if sure["n"] > n // 20 else None
    curve = charts.curve(
        (answered / n)[drawn].tolist(),
        accuracy[drawn].tolist(),
        mark,
        both("share of the photos that is answered", "给出回答的照片比例"),
        _RIGHT,
    )
    said = both(
        "Below a score of {threshold} the answer is “not sure”. That is so for {share} of these photos. Of the "
        "other {n}, {correct} are right: {accuracy} ({interval}).",
        "分数低于 {threshold} 时回答“不确定”，这些照片中有 {share} 属于这种情况。其余 {n} 张中对了 {correct} 张："
        "{accuracy}（{interval}）。",
        threshold=f"{sure['threshold']:.3g}",
        share=percent(sure["share_not_sure"]),
        n=sure["n"],
        correct=sure["correct"],
        accuracy=percent(sure["accuracy"]),
        interval=interval(sure["interval"]) if sure["interval"] else "–",
    )
    caption = both(
        "If only the photos of the highest scores are answered: how many of those answers are right. The dot is the "
        "threshold.",
        "只回答分数最高的那部分照片时，回答的正确率。圆点为当前阈值。",
    )
    return section(both("When it says that it is not sure", "何时回答“不确定”"), el("p", said), figure(curve, caption))
