"""HTML as nested calls: everything that is put in is escaped, unless it came from here.

``el("p", "1 < 2", class_="note")`` is ``<p class="note">1 &lt; 2</p>``. A :class:`Text` says the same thing in each of
the report's languages; the page shows one of them at a time.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from twinlens.contract import Label

CHINESE: Final = "zh-Hans"
_VOID: Final = frozenset({"br", "img", "input", "meta"})


class Markup(str):
    """HTML that is put in as it is."""

    __slots__ = ()


@dataclass(frozen=True)
class Text:
    """The same thing in English and in Chinese; each may hold elements."""

    en: str
    zh: str


Content: TypeAlias = "str | Text | Markup | int | Iterable[Content] | None"


SPACE: Final = Text(" ", "")
"""Between two sentences; Chinese has none."""


def el(name: str, /, *children: Content, **attributes: str | float | None) -> Markup:
    """An element of HTML or SVG.

    :param children: what is in it.
    :param attributes: ``_`` in a name stands for ``-``, one at its end for nothing; those that are ``None`` are left
        out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{given}>" if name in _VOID else f"<{name}{given}>{render(children)}</{name}>")


def render(content: Content) -> Markup:
    """Content as HTML."""
    if content is None:
        return Markup()
    if isinstance(content, Markup):
        return content
    if isinstance(content, str | int):
        return Markup(html.escape(str(content)))
    if isinstance(content, Text):
        if content.en == content.zh:
            return render(content.en)
        return Markup(el("span", content.en, lang="en") + el("span", content.zh, lang=CHINESE))
    return Markup("".join(map(render, content)))


def join(parts: Iterable[Content], between: Content) -> Markup:
    """Contents with another one between each two."""
    return Markup(render(between).join(map(render, parts)))


def both(en: str, zh: str, **values: Content) -> Text:
    """A sentence with ``{names}``, filled in in each language; a value may be a :class:`Text` itself.

    >>> both("{n} of {label}", "{label}:{n}", n=3, label=Text("hat", "帽子")).zh
    '帽子:3'
    """
    return Text(_filled(en, values, "en"), _filled(zh, values, "zh"))


def display(label: Label) -> Text:
    """A label as people are shown it."""
    return Text(label.display["en"], label.display.get("zh", label.display["en"]))


def _filled(sentence: str, values: dict[str, Content], language: str) -> Markup:
    filled = {
        name: render(getattr(value, language) if isinstance(value, Text) else value) for name, value in values.items()
    }
    return Markup(html.escape(sentence, quote=False).format(**filled))


def _number(value: str | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
