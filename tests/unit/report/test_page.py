import html
import re
from html.parser import HTMLParser

import pytest

from twinlens.report import page
from twinlens.report.html import Text, el
from twinlens.report.page import interval, percent, points, size


class Links(HTMLParser):
    """Everything in a page that could be fetched or run."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "href", "srcset", "action")]
        if tag in ("script", "link", "iframe", "object", "embed"):
            self.found.append(tag)


def document():
    photo = page.photo(["data:image/jpeg;base64,AA=="], "帽/a & b.jpg", [(Text("hat", "帽子"), "98.0%", True)])
    return page.page(
        Text("A & B", "甲与乙"),
        el("p", "lead"),
        [page.section(Text("One", "一"), page.photos([photo], single=True)), None],
    ).decode()


def test_a_page_fetches_nothing_and_runs_nothing():
    text = document()
    links = Links()
    links.feed(text)
    assert links.found == ["data:image/jpeg;base64,AA=="]
    assert "default-src 'none'" in html.unescape(text)
    assert re.search(r"url\(|@import", text) is None


def test_a_page_has_its_language_its_title_and_a_switch():
    text = document()
    assert text.startswith('<!doctype html>\n<html lang="en">')
    assert "<title>A &amp; B · 甲与乙</title>" in text
    assert text.count('type="radio"') == 2
    assert 'alt="帽/a &amp; b.jpg"' in text


def test_pictures_and_numbers_find_their_place_in_a_table():
    svg = el("svg")
    text = page.table(["Label", None, "n"], [["hat", svg, 3]], [None, svg, None], quarters=True)
    assert '<th scope="row">hat</th><td class="drawn"><svg></svg></td><td class="number">3</td>' in text
    assert '<th scope="col">Label</th><th scope="col"></th><th scope="col" class="number">n</th>' in text
    assert text.startswith('<table class="quarters">')


def test_a_wrong_answer_is_marked():
    text = page.photo([], "a.jpg", [("hat", "1%", True), ("shoe", "2%", None)])
    assert text.count("wrong-answer") == 1


@pytest.mark.parametrize(
    ("count", "expected"), [(7, "7 B"), (4_500_000, "4.50 MB"), (45_000, "45.0 kB"), (123_456_789, "123 MB")]
)
def test_sizes_are_read_in_decimal_units(count, expected):
    assert size(count) == expected


def test_shares_are_read_as_percentages():
    assert (percent(0.9179), percent(None)) == ("91.8%", "–")
    assert points(-0.0792) == "−7.9"
    assert points(0.01) == "+1.0"
    assert interval((0.884, 0.943)).en == "88.4 to 94.3%"


def test_of_many_remarks_the_first_are_shown():
    heading = Text("About", "关于")
    assert page.remarks(heading, []) is None
    assert "more" not in page.remarks(heading, ["<a>"] * 20)
    text = page.remarks(heading, ["<a>"] * 23)
    assert text.count("&lt;a&gt;") == 20
    assert "and 3 more" in text
