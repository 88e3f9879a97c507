"""``report.html``: an evaluation as one page, made from ``metrics.json`` and the pictures of the costliest photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from training.data import TEST
from training.report import mistakes, trust
from training.report.activation import Pictures
from training.target import Measured
from twinlens.metrics import wilson
from twinlens.report import charts
from twinlens.report.charts import Mark
from twinlens.report.costs import Cost, costs
from twinlens.report.html import Content, Markup, Text, both, display, el
from twinlens.report.page import facts, figure, interval, key, page, percent, remarks, section, table, tiles

_SPLITS: Final = {"validation": Text("validation", "验证集"), "test": Text("test", "测试集")}


def render(measured: Measured, metrics: Mapping[str, Any], shown: Sequence[Pictures]) -> bytes:
    """The page.

    :param metrics: what :func:`training.report.figures.figures` gave.
    :param shown: pictures of the photos of ``highest_loss``, in their order.
    :return: HTML in UTF-8.
    """
    names = _names(measured)
    title = measured.target.name
    if measured.target.version is None:
        cost = section(both("Size and speed", "体积与速度"), el("p", mistakes.NOT_EXPORTED))
    else:
        cost = costs(
            [Cost(title, "one", metrics["exports"], metrics["latency"], metrics["page_latency"])], metrics["machine"]
        )
    return page(
        both("{title}: evaluation", "{title}：评估", title=title),
        _lead(measured, metrics),
        [
            _summary(metrics),
            _by_label(metrics, names),
            mistakes.confusion(metrics, names),
            trust.reliability(metrics),
            trust.not_sure(measured, metrics),
            mistakes.costliest(measured, metrics, names, shown),
            cost,
            _how(measured, metrics),
        ],
    )


def _names(measured: Measured) -> dict[str, Text]:
    """What people are shown of each label; a run knows no other names than the labels' own."""
    if measured.target.version is None:
        return {label: Text(label, label) for label in measured.target.labels}
    return {label.name: display(label) for label in measured.target.version.contract.labels}


def _lead(measured: Measured, metrics: Mapping[str, Any]) -> Content:
    version = measured.target.version
    what = both("A training run", "训练记录")
    if version is not None:
        what = both("Version {version}", "版本 {version}", version=version.contract.model.version)
    lead: list[Content] = [
        el(
            "p",
            both(
                "{what} of {architecture}, on the {n} photos of {split}, {date}.",
                "{what}（{architecture}），{date} 在{split}的 {n} 张照片上测得。",
                what=what,
                architecture=measured.target.architecture,
                n=metrics["n"],
                split=_SPLITS[measured.split],
                date=metrics["date"][:10],
            ),
        )
    ]
    if measured.split == TEST:
        recorded = both(
            "This look at the test photos has been recorded. Choose between models by validation: what is chosen by "
            "test makes the next figure on test a little less honest.",
            "本次对测试集的查看已被记录。请用验证集挑选模型：用测试集挑选，会让下一次测试结果不那么可信。",
        )
        lead.append(el("p", recorded, class_="notice"))
    return lead


def _summary(metrics: Mapping[str, Any]) -> Markup:
    sure = metrics["not_sure"]
    in_words = both(
        "95% interval {interval}; {correct} of {n} photos",
        "95% 区间 {interval}；{n} 张中对了 {correct} 张",
        interval=interval(metrics["interval"]),
        correct=metrics["correct"],
        n=metrics["n"],
    )
    by_chance = both(
        "exactly right scores would show {chance} on so few photos",
        "即使分数完全准确，这么多照片上也会有 {chance}",
        chance=f"{metrics['calibration']['ece_by_chance']:.3f}",
    )
    found: list[tuple[Content, Content, Content]] = [
        (both("Accuracy", "准确率"), percent(metrics["top1"]), in_words),
        (both("Calibration error (ECE)", "校准误差（ECE）"), f"{metrics['ece']:.3f}", by_chance),
    ]
    if sure is not None:
        below = both(
            "score below {threshold}; of the other answers {accuracy} are right",
            "分数低于 {threshold}；其余回答的正确率为 {accuracy}",
            threshold=f"{sure['threshold']:.2f}",
            accuracy=percent(sure["accuracy"]),
        )
        found.append((both("Not sure", "不确定"), percent(sure["share_not_sure"]), below))
    return tiles(found)


def _by_label(metrics: Mapping[str, Any], names: Mapping[str, Text]) -> Markup:
    def worst_first(item: tuple[str, Mapping[str, Any]]) -> float:
        recall: float | None = item[1]["recall"]
        return 2.0 if recall is None else recall  # those without a photo last

    rows: list[list[Content]] = []
    for label, found in sorted(metrics["per_label"].items(), key=worst_first):
        n, answered, correct = found["n"], found["answered"], found["correct"]
        drawn = [
            Mark(found["recall"], wilson(correct, n) if n else None, "one"),
            Mark(found["precision"], wilson(correct, answered) if answered else None, "two"),
        ]
        rows.append([names[label], charts.marks(drawn), percent(found["recall"]), percent(found["precision"]), n])
    whole = charts.marks([Mark(metrics["top1"], metrics["interval"], "one")])
    rows.append([el("strong", both("all", "全部")), whole, percent(metrics["top1"]), None, metrics["n"]])
    head = [
        both("Label", "标签"),
        None,
        key("one", both("recall", "召回率")),
        key("two", both("precision", "精确率")),
        both("photos", "照片"),
    ]
    foot = [None, charts.axis([(0, "0%"), (0.5, "50%"), (1, "100%")]), None, None, None]
    caption = both(
        "Recall: of the photos of a label, how many were answered with it. Precision: of the answers with a label, how "
        "many were right. The lines are 95% Wilson intervals: few photos say little.",
        "召回率：某标签的照片中，被正确回答的比例。精确率：回答为某标签的照片中，确实如此的比例。"
        "横线为 95% Wilson 区间：照片少，结论就不牢靠。",
    )
    return section(both("By label", "各标签"), figure(table(head, rows, foot, quarters=True), caption))


def _how(measured: Measured, metrics: Mapping[str, Any]) -> Markup:
    data = measured.photos
    said = both(
        "Every photo went through the decoding and resizing that server and page use. The figures are in metrics.json "
        "beside this page, and docs/metrics.md says what each of them is. The photos above are inside this file.",
        "每张照片都经过与服务器和网页相同的解码与缩放。数据在本页旁的 metrics.json 中，"
        "docs/metrics.md 有逐项说明。上面的照片就存在本文件里。",
    )
    notes = [f"{name}: {reason}" for name, reason in data.names_left_out()] + data.notes
    return section(
        both("How this was measured", "测量方法"),
        el("p", said),
        facts(
            [
                (both("What", "对象"), el("code", metrics["target"])),
                (both("Digest", "摘要"), el("code", metrics["digest"])),
                (both("Photos", "照片"), el("code", metrics["data"])),
                (both("Digest of the photos", "照片摘要"), el("code", metrics["data_digest"])),
                (both("When", "时间"), metrics["date"]),
                (both("With", "工具"), f"Twinlens {metrics['twinlens']}"),
            ]
        ),
        remarks(both("About the photos:", "关于这些照片："), notes),
    )
