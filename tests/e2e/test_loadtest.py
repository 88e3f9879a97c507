"""The device side of the load test: cells in a real Chromium, against a real server of the made model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from loadtest import __main__ as command
from loadtest import measure, report, visits
from loadtest.limit import Method
from loadtest.photos import Gathered, gather
from loadtest.plan import Shot
from loadtest.profiles import WAYS, Device, Network, Way
from tests import models
from tests.e2e.test_report import visit
from tests.servers import RunningServer, running
from tests.unit.loadtest.made import content, measured
from twinlens.classifier import Classifier
from twinlens.settings import PREFIX

pytestmark = pytest.mark.alone

LINE = Network("quick", 200_000, 200_000, 4)


@pytest.fixture(scope="module")
def server(dist: Path, models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose page has the upload page below it."""
    site = visits.write_site(tmp_path_factory.mktemp("site") / "site")
    settings = {"MODELS": str(models_folder), "MODEL": models.NAME, "PAGE": str(site)}
    with running({f"{PREFIX}{name}": value for name, value in settings.items()}) as running_server:
        yield running_server


@pytest.fixture(scope="module")
def gathered(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    """Six made pictures, two of them larger."""
    return gather(None, classifier, 6, 1 / 3, tmp_path_factory.mktemp("photos"), (1200, 900))


@pytest.mark.parametrize(("way", "method"), [*((way, "auto") for way in WAYS), ("device", "signals")])
def test_a_cell_on_a_slow_device(server: RunningServer, gathered: Gathered, way: Way, method: Method) -> None:
    device = Device("slow", 0.35)
    found = visits.measure(way, LINE, device, server.url, gathered.shots, gathered.cycle, 120, method)
    assert (found["wrong"], found["errors"]) == ([], [])
    assert len(found["answers_ms"]) == 6 and found["answers_ms"] == sorted(found["answers_ms"])
    assert len(found["single_ms"]) == visits.SINGLE_CYCLES * gathered.cycle
    assert all(time > 0 for time in [*found["single_ms"], found["warm_first_ms"]])
    # Every answer is looked at: the first visit's, the second visit's, and those of the single photos.
    assert len(found["score_differences"]) == 6 + 1 + len(found["single_ms"])
    assert max(found["score_differences"]) < 0.02
    # A worker is held back too; how well must not hang on what else the machine does.
    assert all(0 < factor < 0.7 for factor in found["factors"])
    sent = sum(Path(shot.path).stat().st_size for shot in gathered.shots)
    if way == "device":
        # Some time after a visit, Chromium asks by itself whether the service worker has changed. That is all there is.
        assert all(size < 1000 for size in found["single_bytes"])
        assert found["cold_bytes"][0] < sent
    elif way == "original":
        assert found["cold_bytes"][0] > sent
    else:
        assert 0 < found["cold_bytes"][0] < sent
    assert found["cold_bytes"][1] > 0


def test_a_visit_is_cut_off_when_it_takes_too_long(server: RunningServer, gathered: Gathered) -> None:
    slow = Network("slow", 10_000, 1_000, 4)  # 125 kB a second up
    found = visits.measure("original", slow, Device("free", None), server.url, gathered.shots[:2] * 20, 1, 1)
    assert visits.LEAST_ANSWERS <= len(found["answers_ms"]) < 40
    assert len(found["single_ms"]) >= 1
    assert found["errors"] == []


def test_a_shrunk_photo_gives_the_network_the_same_pixels_but_for_rounding(
    server: RunningServer, classifier: Classifier, tmp_path: Path
) -> None:
    shots = []
    for index, size in enumerate([(301, 217), (200, 403), (72, 72)]):
        path = tmp_path / f"{index}.png"
        models.picture("magenta", *size).save(path)
        shots.append(Shot(str(path), "photo", "image/png", "magenta", None))
    bodies = visits.shrunk_bodies(server.url, shots)
    for shot, body in zip(shots, bodies, strict=True):
        original = Path(shot.path).read_bytes()
        assert len(body) <= len(original)
        seen = [classifier.pixels(classifier.read_header(data)) for data in (original, body)]
        difference = np.abs(np.subtract(*seen, dtype=np.int16))
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.01
    assert [body.startswith(b"RIFF") for body in bodies[:2]] == [True, True]


def test_a_photo_that_would_grow_is_sent_as_it_is(server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "flat.png"
    models.picture("red", 90, 90, noise=0).save(path, optimize=True)
    small = path.read_bytes()
    noisy = tmp_path / "small.jpg"
    models.picture("red", 60, 60).save(noisy, quality=30)
    shots = [Shot(str(each), "photo", "image/png", "red", None) for each in (path, noisy)]
    bodies = visits.shrunk_bodies(server.url, shots)
    assert len(bodies[0]) <= len(small)
    assert bodies[1] == noisy.read_bytes()


def test_what_a_visit_fetches(server: RunningServer, gathered: Gathered) -> None:
    device = visits.requests(server.url, "device", gathered.shots[0])
    assert device[0] == "/"
    assert any(path.startswith("/model/") and path.endswith(".bin") for path in device)
    shrunk = visits.requests(server.url, "shrunk", gathered.shots[0])
    assert shrunk[0] == "/upload/" and "/v1/model" in shrunk
    assert not any(path.startswith("/model/") for path in shrunk)


# Before the tests with the session's browser: Playwright starts no second time in a process beside it.
@pytest.mark.heavy
def test_the_whole_with_tiny_numbers(
    dist: Path,
    models_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(f"{PREFIX}MODELS", str(models_folder))
    monkeypatch.setenv(f"{PREFIX}MODEL", models.NAME)
    monkeypatch.setattr(measure, "_IDLE_SECONDS", 0.5)
    out = tmp_path / "loadtest.json"
    arguments = ["--count", "6", "--phone-share", "0.34", "--phone-size", "800x600", "--networks", "fibre"]
    arguments += ["--devices", "phone", "--seconds", "60", "--load-seconds", "2", "--load-users", "4"]
    arguments += ["--work", str(tmp_path / "work"), "--out", str(out)]
    # Which cells are filled hangs on what else the machine does; what is answered does not.
    assert command.main(arguments) in (0, 1)
    found = json.loads(out.read_text(encoding="utf-8"))
    goals = {goal["name"]: goal for goal in found["goals"]}
    assert set(goals) == {"wrong_answers", "cells_unfilled"}
    assert goals["wrong_answers"]["met"]
    cells = [row for row in found["rows"] if row["kind"] == "cell"]
    assert len(cells) == 3
    assert sum(not row["measured"] for row in cells) <= goals["cells_unfilled"]["value"]
    assert "设备何时更快" in out.with_suffix(".html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert command.main(arguments) in (0, 1)
    assert capsys.readouterr().err.count("kept from an earlier run") == 7 + 2 + 3
    assert json.loads(out.read_text(encoding="utf-8"))["rows"] == found["rows"]


@pytest.mark.parametrize(("width", "scheme"), [(900, "light"), (390, "dark"), (320, "light")])
def test_the_report_fits_and_speaks_one_language(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    path = tmp_path / "loadtest.html"
    path.write_bytes(report.render(content(measured())))
    page, seen = visit(browser, path, width, scheme)
    assert seen == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    english, chinese = page.get_by_text("When the device wins"), page.get_by_text("设备何时更快")
    assert english.is_visible() and not chinese.is_visible()
    page.get_by_text("中文").click()
    assert chinese.is_visible() and not english.is_visible()
    page.context.close()
