"""The page of a comparison, in the look of every report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from twinlens.classifier import Classifier
from twinlens.compare.differ import COLOURS, differ
from twinlens.compare.measure import SIDES
from twinlens.compare.photos import Photos
from twinlens.metrics import wilson
from twinlens.report import charts, page
from twinlens.report.charts import Mark
from twinlens.report.costs import Cost, costs
from twinlens.report.html import Content, Markup, Text, both, display, el
from twinlens.report.page import figure, interval, key, percent, points, section

_CLEAR: Final = 0.05
_SPLITS: Final = {
    "train": Text("train", "训练集"),
    "validation": Text("validation", "验证集"),
    "test": Text("test", "测试集"),
    "held-out": Text("those held out", "留出集"),
    None: Text("the folder", "该文件夹"),
}


def render(result: Mapping[str, Any], photos: Photos, classifiers: Sequence[Classifier]) -> bytes:
    """The page.

    :param result: what :func:`twinlens.compare.measure.measure` gave.
    :param photos: the photos that it was measured on.
    :param classifiers: A and B.
    :return: HTML in UTF-8.
    """
    return page.page(_title(result["models"]), _lead(result), sections(result, photos, classifiers))


def sections(
    result: Mapping[str, Any], photos: Photos, classifiers: Sequence[Classifier], *, bills: bool = True
) -> list[Content]:
    """What stands below the page's lead, for a page of something else that two models are compared for.

    :param bills: with what the two cost; a page on several splits needs that once.
    """
    models = result["models"]
    names = {label.name: display(label) for each in reversed(classifiers) for label in each.contract.labels}
    found = [Cost(side.upper(), COLOURS[side], models[side]["exports"], models[side]["latency"]) for side in SIDES]
    labelled = result["paired"] is not None
    return [
        _summary(result),
        _accuracy(result) if labelled else None,
        _by_label(result, names) if labelled else None,
        _trust(result) if labelled else None,
        costs(found, result["machine"]) if bills else None,
        differ(result, photos, classifiers[0], names),
        _how(result),
    ]


def _title(models: Mapping[str, Any]) -> Text:
    a, b = (models[side] for side in SIDES)
    if a["name"] != b["name"]:
        return both("{a} against {b}", "{a} 与 {b} 的对比", a=a["name"], b=b["name"])
    if a["version"] == b["version"]:
        return both("{name} against itself", "{name} 与自身的对比", name=a["name"])
    return both("{name}: two versions", "{name}：两个版本的对比", name=a["name"])


def _lead(result: Mapping[str, Any]) -> Content:
    def which(side: str) -> Markup:
        model = result["models"][side]
        return el(
            "p", key(COLOURS[side], f"{side.upper()}: {model['name']} {model['version']}, {model['architecture']}")
        )

    measured = both(
        "On the same {n} photos of {split}, {date}.",
        "{date} 在{split}的同样 {n} 张照片上测得。",
        n=result["n"],
        split=_SPLITS[result["split"]],
        date=result["date"][:10],
    )
    lead = [which("a"), which("b"), el("p", measured)]
    left_out = sum(each["n"] for each in result["one_sided"]) + len(result["unreadable"])
    if left_out:
        said = both("{n} photos are left out: see the end.", "另有 {n} 张未计入，见文末。", n=left_out)
        lead.append(el("p", said))
    if result["split"] == "test":
        spent = both(
            "These are test photos. Choose between models by validation: what is chosen by test makes the next figure "
            "on test a little less honest.",
            "这些是测试集的照片。请用验证集挑选模型：用测试集挑选，会让它的测试结果不那么可信。",
        )
        lead.append(el("p", spent, class_="notice"))
    return lead


def _summary(result: Mapping[str, Any]) -> Markup:
    agreement, pair = result["agreement"], result["paired"]
    same = both(
        "95% interval {interval}; {n} photos are answered differently",
        "95% 区间 {interval}；{n} 张照片回答不同",
        interval=interval(agreement["interval"]),
        n=len(result["differ"]),
    )
    found: list[tuple[Content, Content, Content]] = [
        (both("Same answer", "回答相同"), percent(agreement["share"]), same)
    ]
    if pair is not None:
        low, high = map(points, pair["interval"])
        spread = both("95% interval {low} to {high}", "95% 区间 {low} 至 {high}", low=low, high=high)
        found = [_accurate(result, side) for side in SIDES]
        found.append((both("B less A, in points", "B 减 A（百分点）"), points(pair["difference"]), spread))
    return page.tiles(found)


def _accurate(result: Mapping[str, Any], side: str) -> tuple[Content, Content, Content]:
    figures = result["models"][side]["figures"]
    in_words = both(
        "95% interval {interval}; {correct} of {n}",
        "95% 区间 {interval}；{n} 张中对了 {correct} 张",
        interval=interval(figures["interval"]),
        correct=figures["correct"],
        n=figures["n"],
    )
    what = key(COLOURS[side], both("Accuracy of {side}", "{side} 的准确率", side=side.upper()))
    return what, percent(figures["top1"]), in_words


def _accuracy(result: Mapping[str, Any]) -> Markup:
    pair = result["paired"]
    # The scale of the difference is even on both sides, and holds the whole interval.
    reach = charts.ceiling(max(0.01, *map(abs, pair["interval"])))
    drawn = charts.marks([Mark(pair["difference"], pair["interval"], "ink")], -reach, reach)
    ends = charts.axis([(0, f"−{100 * reach:g}"), (0.5, "0"), (1, f"{100 * reach:+g}")])
    rows: list[list[Content]] = [[both("B less A", "B 减 A"), drawn, points(pair["difference"])]]
    head = [None, None, both("points", "百分点")]
    verdict = both("these photos do not tell which is", "这些照片分不出哪个更好")
    if pair["p_value"] < _CLEAR:
        verdict = both("it is more than chance explains", "这不只是偶然")
    chance = both(
        "If neither were the better one, a difference at least this large would still be seen in {percent} of cases: "
        "{verdict}.",
        "如果两者一样好，仍有 {percent} 的可能出现至少这么大的差异：{verdict}。",
        percent=_chance(pair["p_value"]),
        verdict=verdict,
    )
    counted = both(
        "Both are right on {both}, neither on {neither}. Only A is right on {a}, only B on {b}: these are what tells "
        "them apart.",
        "两者都对 {both} 张，都错 {neither} 张。只有 A 对的 {a} 张，只有 B 对的 {b} 张：差别就在这些照片上。",
        both=pair["both"],
        neither=pair["neither"],
        a=pair["only_a"],
        b=pair["only_b"],
    )
    caption = both(
        "The line is the 95% interval of the paired difference (Agresti and Min 2005); the percentage comes from "
        "McNemar's exact test.",
        "横线为配对差异的 95% 区间（Agresti 与 Min，2005）；可能性由 McNemar 精确检验得出。",
    )
    return section(
        both("Which is right more often?", "哪个更准？"),
        el("p", counted),
        el("p", chance),
        figure(page.table(head, rows, [None, ends, None], quarters=True), caption),
    )


def _by_label(result: Mapping[str, Any], names: Mapping[str, Text]) -> Markup:
    figures = [result["models"][side]["figures"] for side in SIDES]

    def widest_first(label: str) -> float:
        a, b = (each["per_label"][label]["recall"] for each in figures)
        return -abs(float(a) - float(b))

    rows: list[list[Content]] = []
    for label in sorted(figures[0]["per_label"], key=widest_first):
        found = [each["per_label"][label] for each in figures]
        drawn = [
            Mark(each["recall"], wilson(each["correct"], each["n"]), COLOURS[side])
            for side, each in zip(SIDES, found, strict=True)
        ]
        rows.append([names[label], charts.marks(drawn), *(percent(each["recall"]) for each in found), found[0]["n"]])
    head = [both("Label", "标签"), None, *(key(COLOURS[side], side.upper()) for side in SIDES), both("photos", "照片")]
    foot = [None, charts.axis([(0, "0%"), (0.5, "50%"), (1, "100%")]), None, None, None]
    caption = both(
        "Recall: of the photos of a label, how many were answered with it. The lines are 95% Wilson intervals. Where "
        "the two differ most comes first.",
        "召回率：某标签的照片中，被正确回答的比例。横线为 95% Wilson 区间；差别最大的在前。",
    )
    return section(both("By label", "各标签"), figure(page.table(head, rows, foot, quarters=True), caption))


def _trust(result: Mapping[str, Any]) -> Markup:
    a, b = (result["models"][side]["figures"] for side in SIDES)
    sure_a, sure_b = a["not_sure"], b["not_sure"]
    rows: list[list[Content]] = [
        [both("Calibration error (ECE, 15 bins)", "校准误差（ECE，15 个区间）"), f"{a['ece']:.3f}", f"{b['ece']:.3f}"],
        [both("Mean negative log-likelihood", "平均负对数似然"), f"{a['nll']:.3f}", f"{b['nll']:.3f}"],
        [both("Not sure", "不确定"), percent(sure_a["share_not_sure"]), percent(sure_b["share_not_sure"])],
        [
            both("Right of the other answers", "其余回答的正确率"),
            percent(sure_a["accuracy"]),
            percent(sure_b["accuracy"]),
        ],
    ]
    head = [None, *(key(COLOURS[side], side.upper()) for side in SIDES)]
    return section(both("Can the scores be believed?", "分数可信吗？"), page.table(head, rows))


def _how(result: Mapping[str, Any]) -> Markup:
    said = both(
        "Both answered every photo through the steps that the server takes, each with its own decoding rules, size and "
        "temperature. If one of them was trained on some of these photos, its figures are too good. What --json prints "
        "holds every figure, and docs/metrics.md says what each of them is. The photos above are inside this file.",
        "两个模型都按服务器的步骤回答每张照片，各用自己的解码规则、尺寸和温度。如果其中之一用这些照片训练过，它的结果会偏好。"
        "--json 的输出包含全部数据，docs/metrics.md 有逐项说明。上面的照片就存在本文件里。",
    )
    listed: list[tuple[Content, Content]] = [(both("Photos", "照片"), el("code", result["data"]))]
    for side in SIDES:
        model = result["models"][side]
        listed.append((f"{side.upper()}", el("code", model["path"])))
        listed.append((both("Digest of {side}", "{side} 的摘要", side=side.upper()), el("code", model["digest"])))
    listed += [(both("When", "时间"), result["date"]), (both("With", "工具"), f"Twinlens {result['twinlens']}")]
    left_out = [
        both(
            "{n} photos of {label}, a label that only {side} knows",
            "{label} 的 {n} 张照片，只有 {side} 认识这个标签",
            n=each["n"],
            label=each["label"],
            side=each["known_by"].upper(),
        )
        for each in result["one_sided"]
    ] + [Text(*2 * [f"{each['photo']}: {each['detail']}"]) for each in result["unreadable"]]
    return section(
        both("How this was measured", "测量方法"),
        el("p", said),
        page.facts(listed),
        page.remarks(both("Left out:", "未计入："), left_out),
    )


def _chance(p_value: float) -> Content:
    return both("less than 0.1%", "不到 0.1%") if p_value < 0.001 else percent(p_value)
