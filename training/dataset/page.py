"""``check.html``: what was found out about a data set, as one page with pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.dataset.check import Checked
from training.dataset.twins import Pair
from training.files import decode_in_turn
from training.rules import standard
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError
from twinlens.folders import readable
from twinlens.report import charts
from twinlens.report.html import SPACE, Content, Markup, Text, both, el
from twinlens.report.page import facts, figure, page, percent, photo, photos, remarks, section, table, tiles
from twinlens.report.pictures import thumbnail

MOST_PAIRS: Final = 24
MOST_DOUBTS: Final = 60

_SPLITS: Final = {
    "train": Text("train", "训练"),
    "validation": Text("validation", "验证"),
    "test": Text("test", "测试"),
    "held-out": Text("held out", "留出"),
    None: Text("no split", "未划分"),
}
_WARNINGS: Final = {
    "leaks": Text(
        "Photos of one split are in another too: figures will be too good. `data dedupe` sets them aside.",
        "有照片同时出现在不同划分中，指标会偏高。用 data dedupe 把它们移开。",
    ),
    "torn_groups": Text(
        "Groups are spread over several splits: figures will be too good. `data split --anew` keeps them together.",
        "同一组的照片被分到了不同划分，指标会偏高。用 data split --anew 重新划分。",
    ),
    "conflicts": Text(
        "The same picture is there under two labels: one of them is wrong.",
        "同一张图片有两个不同的标签，其中必有一个是错的。",
    ),
    "one_label": Text("There is one label only: nothing can be learned.", "只有一个标签，无法训练。"),
    "no_split": Text(
        "Some photos are in no split yet: `data split` gives them one.", "部分照片尚未划分：请运行 data split。"
    ),
    "imbalance": Text(
        "The largest label has over ten times the photos of the smallest, which will be learned badly.",
        "最大的标签照片数超过最小的十倍，后者会学得不好。",
    ),
    "few_held_out": Text(
        "Validation or test has under 30 photos: what is measured on so few says little.",
        "验证集或测试集不足 30 张，测得的指标意义不大。",
    ),
    "doubtful_labels": Text("Some labels are probably wrong: look at them below.", "部分标签可能有误，见下文。"),
}
_SMALL: Final = standard(112, 112)


def render(checked: Checked) -> bytes:
    """The page.

    :return: HTML in UTF-8.
    """
    name = checked.folder.resolve().name
    show = _shower(checked.folder)
    return page(
        both("{name}: the data", "{name}：数据检查", name=name),
        el(
            "p",
            both(
                "{n} photos under {labels} labels, {date}.",
                "{labels} 个标签、{n} 张照片，{date}。",
                n=len(checked.rows),
                labels=len(checked.balance()),
                date=checked.date[:10],
            ),
        ),
        [
            _summary(checked),
            _balance(checked),
            _leaks(checked, show),
            _conflicts(checked, show),
            _doubts(checked, show),
            _licences(checked),
            _how(checked),
        ],
    )


def _summary(checked: Checked) -> Content:
    doubts = None if checked.noise is None else len(checked.noise.doubts)
    shown = tiles(
        [
            (both("Photos", "照片"), len(checked.rows), both("{n} labels", "{n} 个标签", n=len(checked.balance()))),
            (
                both("Leaks", "泄漏"),
                len(checked.leaks),
                both("the same picture in two splits", "同一图片出现在两个划分中"),
            ),
            (
                both("Doubtful labels", "可疑标签"),
                "–" if doubts is None else doubts,
                both("not looked for", "未检查")
                if checked.noise is None
                else both("of {n} judged", "共判断 {n} 张", n=checked.noise.checked),
            ),
        ]
    )
    warnings = checked.warnings()
    told = remarks(both("Before you train:", "训练之前："), [_WARNINGS[each] for each in warnings])
    return [shown, told or el("p", both("Nothing stands in the way of training.", "可以开始训练。"))]


def _balance(checked: Checked) -> Markup:
    counts = checked.balance()
    most = max(sum(each.values()) for each in counts.values())
    used = [split for split in _SPLITS if any(each[split or "none"] for each in counts.values())]
    rows: list[list[Content]] = [
        [
            label,
            charts.bar(sum(each.values()) / most, "one"),
            sum(each.values()),
            *(each[split or "none"] for split in used),
        ]
        for label, each in counts.items()
    ]
    head: list[Content] = [both("Label", "标签"), None, both("photos", "照片"), *(_SPLITS[split] for split in used)]
    return section(both("Balance", "类别平衡"), figure(table(head, rows)))


def _leaks(checked: Checked, show: Callable[[Row], str | None]) -> Markup:
    found = checked.leaks
    said = both(
        "{n} pairs of photos in different splits show the same picture; {exact} of them are the same bytes. Pairs "
        "within one split: {copies}.",
        "不同划分之间有 {n} 对照片是同一图片，其中 {exact} 对字节完全相同；同一划分内有 {copies} 对。",
        n=len(found),
        exact=sum(pair.exact for pair in found),
        copies=checked.copies,
    )
    return section(both("Leaks and copies", "泄漏与重复"), el("p", said), _pairs(checked, found, show))


def _conflicts(checked: Checked, show: Callable[[Row], str | None]) -> Markup | None:
    found = checked.conflicts
    if not found:
        return None
    said = both("{n} pictures are there under two labels.", "有 {n} 张图片带有两个标签。", n=len(found))
    return section(both("Two labels for one picture", "一图两标"), el("p", said), _pairs(checked, found, show))


def _pairs(checked: Checked, found: Sequence[Pair], show: Callable[[Row], str | None]) -> Markup | None:
    if not found:
        return None
    cards = []
    for pair in found[:MOST_PAIRS]:
        both_rows = checked.rows[pair.one], checked.rows[pair.other]
        how: Content = (
            both("same bytes", "字节相同")
            if pair.exact
            else both("{n} of 256 bits differ", "256 位中有 {n} 位不同", n=pair.distance)
        )
        said: list[tuple[Content, Content, bool | None]] = [
            (both("{label}, {split}", "{label}，{split}", label=row.label, split=_SPLITS[row.split]), None, None)
            for row in both_rows
        ]
        images = [image for row in both_rows if (image := show(row))]
        cards.append(photo(images, " · ".join(row.path for row in both_rows), [*said, (how, None, None)]))
    return Markup(photos(cards, single=False) + _more(len(found), MOST_PAIRS))


def _doubts(checked: Checked, show: Callable[[Row], str | None]) -> Markup | None:
    noise = checked.noise
    if noise is None:
        return None
    cards = []
    for doubt in noise.doubts[:MOST_DOUBTS]:
        row = checked.rows[doubt.index]
        image = show(row)
        said: list[tuple[Content, Content, bool | None]] = [
            (both("given: {label}", "标注：{label}", label=doubt.label), percent(doubt.score), True),
            (both("rather: {label}", "更像：{label}", label=doubt.suggested), percent(doubt.suggested_score), None),
        ]
        cards.append(photo([image] if image else [], row.path, said))
    explained = both(
        "{n} of {all} labels are probably wrong, the most doubtful first. A simple classifier that has not learned "
        "from a photo was asked about it; it gives the label of {accuracy} of all photos, so it is often wrong "
        "itself: look before you change a label.",
        "{all} 个标签中有 {n} 个可能有误，最可疑的在前。判断来自一个没有用该照片训练过的简单分类器，它与全部标注的"
        "一致率为 {accuracy}，因此自己也常出错：改标签之前请先看照片。",
        n=len(noise.doubts),
        all=noise.checked,
        accuracy=percent(noise.accuracy),
    )
    few = both(
        "Too few photos to judge: {labels}.",
        "照片太少、无法判断的标签：{labels}。",
        labels=", ".join(noise.not_checked),
    )
    return section(
        both("Doubtful labels", "可疑标签"),
        el("p", explained, [SPACE, few] if noise.not_checked else None),
        photos(cards, single=True) if cards else None,
        _more(len(noise.doubts), MOST_DOUBTS),
    )


def _licences(checked: Checked) -> Markup:
    rows: list[list[Content]] = [
        [both("not recorded", "未记录") if name == "unknown" else name, count]
        for name, count in checked.licences().items()
    ]
    return section(both("Licences", "许可"), table([both("Licence", "许可"), both("photos", "照片")], rows))


def _how(checked: Checked) -> Markup:
    found: list[tuple[Content, Content]] = [
        (both("Folder", "文件夹"), readable(checked.folder)),
        (both("Digest of the manifest", "清单摘要"), el("code", manifest.digest(checked.rows))),
    ]
    if checked.network is not None:
        found.append((both("Labels judged by embeddings of", "判断标签所用网络"), checked.network))
    return section(both("How this was found", "如何得出"), facts(found))


def _more(count: int, shown: int) -> Markup:
    if count <= shown:
        return Markup()
    return el("p", both("{n} more are in check.json.", "另有 {n} 条，见 check.json。", n=count - shown), class_="quiet")


def _shower(folder: Path) -> Callable[[Row], str | None]:
    """A photo as the address of a small picture; ``None`` where it cannot be read any more."""

    def show(row: Row) -> str | None:
        try:
            image = decode_in_turn((folder / row.path).read_bytes(), _SMALL).image
        except (OSError, TwinlensError):
            return None
        image.thumbnail((448, 448))
        pixels: NDArray[np.uint8] = np.asarray(image)
        return thumbnail(pixels)

    return show
