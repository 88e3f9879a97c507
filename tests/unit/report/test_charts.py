import re
from xml.etree import ElementTree

import numpy as np
import pytest

from twinlens.metrics import reliability
from twinlens.report import charts
from twinlens.report.charts import Mark
from twinlens.report.html import Text

X, Y = Text("score", "分数"), Text("right", "正确率")


def parsed(markup):
    return ElementTree.fromstring(markup)


def of_class(svg, name):
    return [element for element in svg.iter() if name in element.get("class", "").split()]


def test_marks_lie_where_their_figures_are_on_the_scale():
    svg = parsed(charts.marks([Mark(0.5, (0.25, 0.75), "one"), Mark(None, None, "two")]))
    (dot,), (span,) = of_class(svg, "dot"), of_class(svg, "span")
    assert dot.get("cx") == "50.00%"
    assert (span.get("x1"), span.get("x2")) == ("25.00%", "75.00%")
    moved = parsed(charts.marks([Mark(0.0, (-0.4, 0.05), "ink")], -0.2, 0.2))
    assert of_class(moved, "dot")[0].get("cx") == "50.00%"
    assert of_class(moved, "span")[0].get("x1") == "0.00%"  # what is beyond the scale ends at its edge


def test_an_axis_keeps_its_ends_inside():
    svg = parsed(charts.axis([(0, "0"), (0.5, "5"), (1, "10")]))
    assert [text.get("text-anchor") for text in svg] == ["start", "middle", "end"]


def test_a_strip_draws_every_measurement_that_the_scale_holds():
    svg = parsed(charts.strip([1.0, 2.0, 30.0], 10, 2.0, 40.0, "one"))
    assert [dot.get("cx") for dot in of_class(svg, "point")] == ["10.00%", "20.00%"]
    assert len(of_class(svg, "median")) == 1
    assert of_class(svg, "p95") == []


def test_the_reliability_diagram_shows_what_is_missing_and_what_is_beyond():
    scores = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10)
    targets = np.array([0] * 5 + [1] * 5 + [0] * 10)  # half of 0.9, all of 0.6
    svg = parsed(charts.reliability_diagram(reliability(scores, targets), X, Y))
    assert len(of_class(svg, "missing")) == len(of_class(svg, "surplus")) == 1
    assert len(of_class(svg, "whisker")) == 2
    assert float(of_class(svg, "missing")[0].get("height")) == pytest.approx(312 * 0.4, abs=0.01)


def test_the_matrix_has_a_cell_for_every_pair_that_occurs_and_its_count():
    counts = np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]])
    svg = parsed(charts.matrix(counts, [Text("hat", "帽子"), Text("shoe", "鞋"), Text("7", "7")], X, Y))
    cells = of_class(svg, "cell")
    assert [cell.get("class") for cell in cells] == ["cell right", "cell wrong", "cell right"]
    assert [text.text for text in of_class(svg, "count")] == ["8", "2", "5"]
    texts = [(text.get("lang"), text.text) for text in svg.iter("text")]
    assert texts.count(("zh-Hans", "帽子")) == texts.count(("en", "hat")) == 2
    assert texts.count((None, "7")) == 2


@pytest.mark.parametrize("size", [2, 13, 40])
def test_a_matrix_of_any_size_holds_its_cells(size):
    counts = np.eye(size, dtype=int)
    svg = parsed(charts.matrix(counts, [Text(f"label {i}", f"label {i}") for i in range(size)], X, Y))
    width, height = map(float, svg.get("viewBox").split()[2:])
    for cell in of_class(svg, "cell"):
        assert float(cell.get("x")) + float(cell.get("width")) <= width
        assert float(cell.get("y")) + float(cell.get("height")) <= height


def test_long_names_are_shortened_in_a_matrix():
    names = [Text("a" * 24, "衣" * 13), Text("b" * 25, "衣" * 12)]
    svg = parsed(charts.matrix(np.eye(2, dtype=int), names, X, Y))
    texts = {text.text for text in svg.iter("text")}
    assert {"a" * 24, "b" * 23 + "…", "衣" * 11 + "…", "衣" * 12} <= texts


def test_the_curve_marks_the_threshold_on_the_line():
    svg = parsed(charts.curve([0.5, 1.0], [1.0, 0.9], (1.0, 0.9), X, Y))
    points = of_class(svg, "curve")[0].get("points").split()
    (dot,) = of_class(svg, "dot")
    assert points[-1] == f"{float(dot.get('cx')):.1f},{float(dot.get('cy')):.1f}"
    assert len(of_class(parsed(charts.curve([1.0], [0.0], None, X, Y)), "dot")) == 0


@pytest.mark.parametrize(
    ("value", "expected"), [(0.9, 1), (1, 1), (1.1, 2), (3, 5), (5.1, 10), (33, 50), (0.021, 0.05), (1000, 1000)]
)
def test_an_axis_ends_at_a_round_figure(value, expected):
    assert charts.ceiling(value) == pytest.approx(expected)


def test_pictures_bring_no_colours_of_their_own():
    svg = charts.marks([Mark(0.5, (0.2, 0.7), "one")]) + charts.bar(0.5, "two")
    assert re.findall(r"#[0-9a-f]{3,6}|rgb", svg) == []
