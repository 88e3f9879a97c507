"""Locust, in its own environment, against a real server of the made model; alone, and with two workers."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.environment import prepare
from loadtest.load import LOCUSTFILE, run
from loadtest.photos import gather
from loadtest.plan import Plan, Shot, Stage, Thresholds
from tests.servers import ROOT, RunningServer, free_port
from twinlens.classifier import Classifier
from twinlens.isolated import variables

USERS = {"one": 2, "burst": 1, "phone": 1}


@pytest.fixture(scope="session")
def locust() -> Path:
    """The interpreter of locust's environment, made if need be."""
    return prepare()


@pytest.fixture(scope="module")
def shots(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> list[Shot]:
    """Made pictures, some of them as large as a test can afford."""
    return gather(None, classifier, 12, 0.25, tmp_path_factory.mktemp("photos"), (800, 600)).shots


def test_ten_seconds_of_every_kind_of_user(
    server: RunningServer, locust: Path, shots: list[Shot], tmp_path: Path
) -> None:
    plan = Plan(shots, USERS | {"visit": 1}, [Stage(5, 3, 10), Stage(5, 6, 10)], Thresholds(), page=["/", "/livez"])
    load = run(locust, plan, server.url, tmp_path / "run")
    assert load.status == 0, load.output
    assert (load.summary["wrong"], load.summary["failed"], load.summary["errors"]) == (0, 0, [])
    assert load.summary["requests"] > 20
    assert load.summary["visits"] > 0
    rows = (tmp_path / "run_stats.csv").read_text().splitlines()
    names = {line.split(",")[1] for line in rows[1:]}
    assert names == {"photo", "phone", "visit", "file", "Aggregated"}
    assert "<html" in (tmp_path / "run.html").read_text()


def test_a_wrong_answer_decides_the_exit_status(
    server: RunningServer, locust: Path, shots: list[Shot], tmp_path: Path
) -> None:
    wrong = replace(shots[0], label="green" if shots[0].label != "green" else "red")
    plan = Plan([wrong, *shots[1:]], {"one": 1}, [Stage(3, 2, 10)], Thresholds())
    load = run(locust, plan, server.url, tmp_path / "run")
    assert load.status == 1
    assert 0 < load.summary["wrong"] == load.summary["failed"]
    assert "threshold: " in load.output and "wrong answers, at most 0 allowed" in load.output


def test_a_server_that_is_not_there_fails_the_run(locust: Path, shots: list[Shot], tmp_path: Path) -> None:
    plan = Plan(shots, {"one": 1}, [Stage(2, 1, 10)], Thresholds(failed=1_000_000))
    load = run(locust, plan, f"http://127.0.0.1:{free_port()}", tmp_path / "run")
    assert load.summary["failed"] == load.summary["requests"] > 0
    assert load.status == 0  # since that is what the threshold allows
    assert load.summary["wrong"] == 0


def test_processes_of_one_machine(server: RunningServer, locust: Path, shots: list[Shot], tmp_path: Path) -> None:
    plan = Plan(shots, USERS, [Stage(5, 4, 10)], Thresholds())
    port = str(free_port())
    more = ["--processes", "2", "--master-bind-port", port, "--master-port", port]
    load = run(locust, plan, server.url, tmp_path / "run", more)
    assert load.status == 0, load.output
    assert "2 workers connected" in load.output
    assert load.summary["requests"] > 0


def test_a_master_and_two_workers(server: RunningServer, locust: Path, shots: list[Shot], tmp_path: Path) -> None:
    """As docs/loadtest.md has it for several machines, on one."""
    Plan(shots, USERS, [Stage(5, 4, 10)], Thresholds()).write(tmp_path / "plan.json")
    port = str(free_port())
    command = [str(locust), "-m", "locust", "-f", str(LOCUSTFILE)]
    environment = {**variables(), "LOADTEST_PLAN": str(tmp_path / "plan.json")}
    workers = [
        subprocess.Popen(
            [*command, "--worker", "--master-host", "127.0.0.1", "--master-port", port],
            cwd=tmp_path,  # not the checkout
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    try:
        done = subprocess.run(
            [
                *command,
                "--headless",
                "--host",
                server.url,
                "--master",
                "--master-bind-port",
                port,
                "--expect-workers",
                "2",
            ],
            cwd=ROOT,
            env=environment | {"LOADTEST_SUMMARY": str(tmp_path / "summary.json")},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        summary = json.loads((tmp_path / "summary.json").read_text())
        assert summary["requests"] > 0 and summary["wrong"] == 0
        assert [worker.wait(30) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            if worker.poll() is None:
                os.kill(worker.pid, 9)
            worker.wait()
