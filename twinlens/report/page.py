"""The page that every report is: its head, its look, the switch between the languages, and its parts.

The page runs no script, and its content security policy lets it fetch nothing, so it can be kept, sent and opened
anywhere. Both languages are in it, and two radio buttons choose which one is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from twinlens.report.html import CHINESE, Content, Markup, Text, both, el, render

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_MOST_REMARKS: Final = 20
_STYLE: Final = Path(__file__).with_name("style.css")


def page(title: Text, lead: Content, parts: Sequence[Content]) -> bytes:
    """A whole report.

    :param title: its heading.
    :param lead: what stands below the heading.
    :param parts: what :func:`section` gave.
    :return: an HTML document in UTF-8.
    """
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title.en if title.en == title.zh else f"{title.en} · {title.zh}"),
        el("style", Markup(_STYLE.read_text(encoding="utf-8"))),
    )
    switch = {"type": "radio", "name": "language", "class_": "language"}
    body = el(
        "body",
        el("input", **switch, id="en", checked="checked"),
        el("input", **switch, id="zh"),
        el(
            "div",
            el("label", el("span", "English"), for_="en"),
            el("label", el("span", "中文"), for_="zh", title=CHINESE),
            class_="languages",
        ),
        el("header", el("h1", title), el("div", lead, class_="lead")),
        el("main", parts),
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n".encode()


def section(heading: Text, *content: Content) -> Markup:
    """A part of the page with its heading."""
    return el("section", el("h2", heading), content)


def tiles(found: Sequence[tuple[Content, Content, Content]]) -> Markup:
    """The figures that matter most: what each is, its value, and a line on it."""
    return el(
        "dl",
        [
            el("div", el("dt", what), el("dd", value, class_="value"), el("dd", note, class_="note"), class_="tile")
            for what, value, note in found
        ],
        class_="tiles",
    )


def table(
    head: Sequence[Content],
    rows: Sequence[Sequence[Content]],
    foot: Sequence[Content] | None = None,
    *,
    quarters: bool = False,
) -> Markup:
    """A table whose first column names the rows; pictures and numbers find their place by themselves.

    :param head: what stands above each column.
    :param rows: the same number of contents each.
    :param foot: a last row, for the axis of a column of pictures.
    :param quarters: draw lines through the column of pictures at each quarter of its width.
    """

    def cell(content: Content) -> Markup:
        rendered = render(content)
        drawn = rendered.startswith("<svg")
        return el("td", rendered, class_="drawn" if drawn else "number")

    heads = [
        el("th", content, scope="col", class_=None if index == 0 or _drawn(rows, index) else "number")
        for index, content in enumerate(head)
    ]
    body = [el("tr", el("th", first, scope="row"), map(cell, rest)) for first, *rest in rows]
    last = el("tfoot", el("tr", map(cell, foot))) if foot else None
    return el("table", el("thead", el("tr", heads)), el("tbody", body), last, class_="quarters" if quarters else None)


def figure(picture: Content, caption: Content = None, *, scroll: bool = False) -> Markup:
    """A picture with what it shows.

    :param scroll: it may be wider than a phone, and moves within its own frame.
    """
    drawn = el("div", picture, class_="scroll", tabindex="0") if scroll else picture
    return el("figure", drawn, el("figcaption", caption) if caption is not None else None)


def details(summary: Text, *content: Content) -> Markup:
    """Something that opens when it is asked for."""
    return el("details", el("summary", summary), content)


def facts(found: Sequence[tuple[Content, Content]]) -> Markup:
    """What a reader looks up rather than reads: a name and a value each."""
    return el("dl", [[el("dt", name), el("dd", value)] for name, value in found], class_="facts")


def remarks(heading: Text, found: Sequence[Content]) -> Markup | None:
    """A list of what a reader should know, the first twenty of it; nothing where there is none."""
    if not found:
        return None
    shown: list[Content] = [el("li", each) for each in found[:_MOST_REMARKS]]
    if len(found) > _MOST_REMARKS:
        shown.append(el("li", both("and {n} more", "以及另外 {n} 条", n=len(found) - _MOST_REMARKS)))
    return Markup(el("p", heading) + el("ul", shown))


def key(colour: str, name: Content) -> Markup:
    """What a colour stands for."""
    return Markup(el("span", class_=f"key {colour}") + render(name))


def photo(images: Sequence[str], file: str, answers: Sequence[tuple[Content, Content, bool | None]]) -> Markup:
    """A photo with what was answered for it.

    :param images: one or two addresses, as :func:`twinlens.report.pictures.thumbnail` makes them.
    :param file: the photo's name, shown and read out.
    :param answers: what is said, a score or nothing, and whether it is wrong (``None`` where nobody knows).
    """
    said = [
        el(
            "p",
            el("span", what),
            el("span", score, class_="score"),
            class_="answer wrong-answer" if wrong else "answer",
        )
        for what, score, wrong in answers
    ]
    shown = el("div", [el("img", src=image, alt=file) for image in images], class_="images")
    return el("li", shown, said, el("p", file, class_="file"), class_="photo")


def photos(found: Sequence[Markup], *, single: bool) -> Markup:
    """Photos side by side, as many as there is room for.

    :param single: each is one image rather than two.
    """
    return el("ul", found, class_="photos single" if single else "photos")


def percent(share: float | None) -> str:
    """A share as people read it; a dash where there is none."""
    return "–" if share is None else f"{share:.1%}"


def points(share: float) -> str:
    """A difference of two shares in percentage points, with its sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def interval(ends: tuple[float, float] | Sequence[float]) -> Text:
    """A 95 % interval of a share."""
    low, high = (f"{100 * end:.1f}" for end in ends)
    return both("{low} to {high}%", "{low}% 至 {high}%", low=low, high=high)


def size(count: int) -> str:
    """Bytes as people read them, in decimal units."""
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= power:
            return f"{count / power:#.3g}".rstrip(".") + f" {unit}"
    return f"{count} B"


def _drawn(rows: Sequence[Sequence[Content]], column: int) -> bool:
    return bool(rows) and render(rows[0][column]).startswith("<svg")
