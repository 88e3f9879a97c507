"""The alert rules and the dashboard ask for metrics, labels and values that a running server really has."""

import json
import re

import httpx
import pytest
import yaml

from tests import images, models
from tests.integration.answers import problem
from tests.servers import ROOT
from twinlens.http.metrics import API_ROUTES, FEEDBACK_OUTCOMES, LANES, PUBLICATION_OUTCOMES, SHED_REASONS

PHOTO = images.encoded(models.picture("blue"), "JPEG")
FOLDER = ROOT / "bentos" / "monitoring"
# A metric in PromQL, with its selectors if there are any.
METRIC = re.compile(r"\b(twinlens_[a-z0-9_]+)(?:\{([^}]*)\})?")
SELECTOR = re.compile(r'(\w+)\s*(=~|=|!=|!~)\s*"([^"]*)"')
GROUPING = re.compile(r"\bby \(([^)]*)\)")
VALUES = {
    "route": set(API_ROUTES),
    "reason": set(SHED_REASONS),
    "lane": set(LANES),
    "outcome": {*PUBLICATION_OUTCOMES, *FEEDBACK_OUTCOMES},
}
# Prometheus gives these to every series.
SCRAPED = {"instance", "job"}


def rules():
    document = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard():
    return json.loads((FOLDER / "dashboard.json").read_text())


def expressions():
    """Every expression, under a name that says where it stands."""
    yield from ((rule["alert"], rule["expr"]) for rule in rules())
    for panel in dashboard()["panels"]:
        yield from ((f"{panel['title']} {target['refId']}", target["expr"]) for target in panel["targets"])


@pytest.fixture(scope="module")
def series(server):
    """The labels of each sample's name, from a server that has answered and refused a request."""
    httpx.post(f"{server.url}/v1/classify", content=PHOTO).raise_for_status()
    problem(httpx.post(f"{server.url}/v1/classify", content=b"x"), "not_an_image")
    found: dict[str, set[str]] = {}
    for line in httpx.get(f"{server.url}/metrics").text.splitlines():
        match = re.match(r"([a-z0-9_]+)(?:\{(.*)\})? ", line)
        if match and not line.startswith("#"):
            found.setdefault(match[1], set()).update(re.findall(r'(\w+)="', match[2] or ""))
    return found


@pytest.mark.parametrize(
    ("where", "expression"), list(expressions()), ids=lambda value: value if " " not in value else ""
)
def test_every_metric_label_and_value_is_there(where, expression, series):
    metrics = METRIC.findall(expression)
    assert metrics, where
    labels = set()
    for name, selectors in metrics:
        assert name in series, f"{where}: there is no {name}"
        labels |= series[name]
        for label, kind, value in SELECTOR.findall(selectors):
            assert label in series[name], f"{where}: {name} has no label {label}"
            assert kind != "=" or value in VALUES[label], f"{where}: {label} is never {value}"
    for group in GROUPING.findall(expression):
        assert {label.strip() for label in group.split(",")} <= labels | SCRAPED, where
    assert expression.count("(") == expression.count(")")


def test_every_metric_of_ours_is_on_the_dashboard(series):
    shown = {name for _, expression in expressions() for name, _ in METRIC.findall(expression)}
    families = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in series if name.startswith("twinlens_")}
    assert families == {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}


def test_every_alert_says_what_it_means_and_what_to_do():
    assert len({rule["alert"] for rule in rules()}) == len(rules())
    operations = (ROOT / "docs" / "operations.md").read_text()
    for rule in rules():
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]
        assert f"`{rule['alert']}`" in operations


def test_the_panels_do_not_overlap_and_name_the_chosen_source():
    panels = dashboard()["panels"]
    places = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & places and all(x < 24 for x, _ in cells), panel["title"]
        places |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert [each["name"] for each in dashboard()["templating"]["list"]] == ["datasource"]
