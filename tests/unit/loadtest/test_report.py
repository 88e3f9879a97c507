"""The report is whole, in two languages, and says what was not measured. How it looks, tests/e2e sees."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from loadtest import report
from loadtest.chart import Line, arrivals
from tests.unit.loadtest.made import content, measured
from twinlens.report.html import Text

VOID = {"meta", "input", "br", "img"}


class Elements(HTMLParser):
    """Every element is closed, and only what may stand in a file without a network."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing() -> None:
    page = report.render(content(measured())).decode()
    elements = Elements()
    elements.feed(page)
    assert elements.open == []
    assert not elements.seen & {"script", "link", "img", "iframe"}
    assert "http:" not in page and "https:" not in page
    assert "a &lt;processor&gt;" in page
    assert re.search(r"\b(None|nan)\b", page) is None
    assert all(name in page for name in ("Fibre", "光纤", "slow", "When the device wins", "设备何时更快"))


def test_what_was_not_measured_stands_there_with_the_reason() -> None:
    page = report.render(content(measured(factors=[0.5, 0.5]))).decode()
    assert page.count("‡") == 1
    assert "Not measured, and why:" in page
    assert "the device was not as slow as it should have been" in page
    assert "not measured" in page  # in the table of who wins


def test_even_a_cell_without_an_answer_can_be_shown() -> None:
    page = report.render(content(measured(answers_ms=[], errors=["1.jpg: status 503"]))).decode()
    assert "1.jpg: status 503" in page


def test_what_is_modelled_has_a_star() -> None:
    whole = report.render(content(measured())).decode()
    cut = report.render(content(measured(answers=8))).decode()
    assert "20 s*" in cut and "20 s*" not in whole


def test_every_figure_of_the_result_has_its_definition() -> None:
    found = content(measured())
    names = {name for row in found["rows"] for name in row}
    explained = set(found["definitions"])
    known = {
        "kind",
        "network",
        "against",
        "visit",
        "how",
        "modelled",
        "visitors",
        "measured",
        "missing",
        "limit",
        "wrong",
    }
    same = {"p95_ms", "bytes_down_per_photo", "factor_wanted", "hundredth", "answers"}
    loads = {"users", "kept_thresholds", "failed", "per_second", "of", "cpu_ms", "count", "cost_per_hour"}
    names -= {f"score_difference_{what}" for what in ("mean", "max")}
    assert names - explained - known - same - loads == set()


def test_the_command_makes_the_page_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = content(measured())
    (tmp_path / "result.json").write_text(json.dumps(found))
    assert report.main([str(tmp_path / "result.json"), str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_bytes() == report.render(found)
    assert report.main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_lines_lie_where_their_figures_are() -> None:
    steady = Line([1000.0, 10_000.0], 1, "one")
    drawn = arrivals([(Text("a", "a"), [steady])], Text("x", "x"), Text("y", "y"))
    lines = re.findall(r'<polyline points="([^"]*)"[^>]*>', drawn)
    first, second = (tuple(map(float, point.split(","))) for point in lines[1].split())
    assert lines[0] == lines[1].split()[0]  # what was measured, and the dashes from there on
    assert "stroke-dasharray" in drawn
    bottom, top = (float(y) for y in re.findall(r'<line x1="40" x2="240" y1="([\d.]+)"', drawn))
    assert (first[1], second[1]) == (bottom, top)
    assert first[0] == 40 and second[0] == pytest.approx(40 + 200 * 0.1505, abs=0.1)
