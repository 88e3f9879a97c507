"""What can be wrong before anything is measured ends the command with status 2 and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest import __main__ as command
from loadtest import environment, load, processes, visits
from loadtest.plan import Plan, Thresholds
from twinlens.errors import TwinlensError


def test_photos_that_are_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["not there"]) == 2
    assert "not there is not a folder" in capsys.readouterr().err


def test_another_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    assert command.main([]) == 2
    assert "Run it on Linux" in capsys.readouterr().err


def test_no_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(environment, "prepare", lambda: tmp_path / "python")
    monkeypatch.setenv("TWINLENS_MODEL", "not-there")
    assert command.main(["--work", str(tmp_path)]) == 2
    assert "not-there" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["PAGE", "UPLOAD_PAGE"])
def test_a_page_that_is_not_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str) -> None:
    for name in ("PAGE", "UPLOAD_PAGE"):
        page = tmp_path / name
        page.mkdir()
        if name != missing:
            (page / "index.html").touch()
        monkeypatch.setattr(visits, name, page)
    with pytest.raises(TwinlensError, match="Run: make page") as caught:
        visits.write_site(tmp_path / "site")
    assert caught.value.code == "missing_page"


def test_the_site_is_the_page_with_the_upload_page_below_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PAGE", "UPLOAD_PAGE"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(name)
        monkeypatch.setattr(visits, name, tmp_path / name)
    for _ in range(2):  # what an earlier run left is in nobody's way
        site = visits.write_site(tmp_path / "site")
    assert (site / "index.html").read_text() == "PAGE"
    assert (site / "upload" / "index.html").read_text() == "UPLOAD_PAGE"


def test_a_locust_that_cannot_start_says_why(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no module named locust\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(TwinlensError, match="status 1: no module named locust") as caught:
        load.run(python, Plan([], {}, [], Thresholds()), "http://127.0.0.1:1", tmp_path / "run")
    assert caught.value.code == "internal"
