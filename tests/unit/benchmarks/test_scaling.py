"""From photos a second to replicas and cost: the arithmetic, what it is told, and the example in the docs."""

import re
import shlex
from pathlib import Path

import pytest

from benchmarks import scaling
from benchmarks.results import ROOT, result, write_result
from benchmarks.scaling import Replica, cost_per_million, main, measured, scale
from benchmarks.serving.plan import OURS, SERVERS, SMALL
from benchmarks.serving.rows import rows
from tests.unit.benchmarks.serving import rounds
from twinlens.errors import TwinlensError

ROW = {
    "server": "twinlens",
    "connections": 32,
    "size": "500x375",
    "after_burst": False,
    "requests_per_second": 100.0,
    "cpu_seconds_per_1000": 18.0,
}
OTHERS = [
    {**ROW, "connections": 128, "requests_per_second": 90.0},
    {**ROW, "server": "fastapi tutorial", "requests_per_second": 80.0},
]


def write(path: Path, rows) -> Path:
    machine = {"machine": {"cores": 2}}
    write_result(path, result("make bench-server", rows, [], commit=40 * "0") | machine)
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write(tmp_path / "server.json", [*OTHERS, ROW])


def test_replicas_carry_the_peak_with_headroom_and_one_is_spare() -> None:
    need = scale(Replica(100, 2, None), 200, 0.04, headroom=0.4, spare=1)
    assert (need.replicas, need.spare, need.cores) == (4 + 1, 1, 10)  # 200 / 60 is 3.3
    assert need.cost_per_month == pytest.approx(10 * 0.04 * 730)


@pytest.mark.parametrize(("rate", "replicas"), [(0.1, 1), (60, 1), (60.1, 2), (180, 3), (180.1, 4)])
def test_a_replica_that_is_just_full_is_enough(rate: float, replicas: int) -> None:
    assert scale(Replica(100, 2, None), rate, 1, headroom=0.4, spare=0).replicas == replicas


def test_a_million_photos_cost_what_their_seconds_do() -> None:
    # A hundredth of a core-second each: 10,000 seconds, 2.78 hours.
    assert cost_per_million(0.01, 0.36) == pytest.approx(1.0)


def test_the_right_row_is_taken(results: Path) -> None:
    assert measured(results, "twinlens", 32, "500x375") == Replica(100, 2, 18)
    assert measured(results, "twinlens", 128, "500x375").per_second == 90


@pytest.mark.parametrize("connections", [1, 8, 32, 128])
def test_it_reads_what_the_server_benchmark_writes(tmp_path: Path, connections: int) -> None:
    path = write(tmp_path / "server.json", rows(rounds.made(), SERVERS))
    assert measured(path, OURS, connections, SMALL) == Replica(160, 2, 12.5)


def test_it_says_what_was_measured_and_what_follows(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--results", str(results), "--rate", "200", "--mean", "40", "--price", "0.04", "--spare", "2"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    found = {name: text.strip() for name, _, text in (line.partition("  ") for line in lines)}
    assert found["replicas"] == "6: 4 for the peak, 2 spare"
    assert found["cost per month"].startswith("350.40: 12 cores")
    assert found["cost per million"].startswith("3.333: of 105.1 million")
    assert found["at full use"].startswith("0.2 a million: 18 CPU seconds")


def test_the_result_is_named_where_it_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--results", str(tmp_path / "server.json"), "--rate", "200", "--price", "0.04"]) == 2
    error = capsys.readouterr().err
    assert "server.json" in error and "make bench-server" in error and "--per-replica" in error


@pytest.mark.parametrize("rows", [[], OTHERS, [ROW, ROW]])
def test_the_rows_that_are_there_are_named(tmp_path: Path, rows) -> None:
    with pytest.raises(TwinlensError, match=r"rows of server twinlens, 32 connections and photo 500x375") as caught:
        measured(write(tmp_path / "server.json", rows), "twinlens", 32, "500x375")
    assert all(row["server"] in caught.value.detail for row in rows)


@pytest.mark.parametrize("figure", [None, 0, "many"])
def test_a_row_without_its_figure_is_refused(tmp_path: Path, figure) -> None:
    path = write(tmp_path / "server.json", [{**ROW, "requests_per_second": figure}])
    with pytest.raises(TwinlensError, match="lacks the figures"):
        measured(path, "twinlens", 32, "500x375")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": [1]}'])
def test_a_result_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.json").write_text(text)
    with pytest.raises(TwinlensError, match="lacks the figures"):
        measured(tmp_path / "server.json", "twinlens", 32, "500x375")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--per-replica", "100"], "--cores"),
        (["--cores", "2"], "belong to --per-replica"),
        (["--per-replica", "100", "--cores", "2", "--mean", "300"], "cannot be above --rate"),
    ],
)
def test_options_that_do_not_fit(results: Path, capsys: pytest.CaptureFixture[str], arguments, said) -> None:
    assert main(["--results", str(results), "--rate", "200", "--price", "0.04", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--rate", "0", "no number above 0"),
        ("--rate", "nan", "no number"),
        ("--price", "cheap", "no number"),
        ("--headroom", "1", "no number from 0 to below 1"),
        ("--spare", "-1", "no whole number"),
    ],
)
def test_values_that_cannot_be(capsys: pytest.CaptureFixture[str], option: str, value: str, said: str) -> None:
    options = {"--rate": "200", "--price": "0.04", option: value}
    with pytest.raises(SystemExit):
        main([f"{name}={value}" for name, value in options.items()])
    assert said in capsys.readouterr().err


def test_the_example_in_the_docs_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    examples = re.findall(r"```console\n\$ python -m benchmarks\.scaling (.*?[^\\])\n(.*?)```", text, re.DOTALL)
    assert examples
    for arguments, output in examples:
        assert main(shlex.split(arguments.replace("\\\n", " "))) == 0
        assert capsys.readouterr().out == output


def test_the_months_hours_are_a_twelfth_of_a_years() -> None:
    assert pytest.approx(365 * 24 / 12) == scaling.HOURS_PER_MONTH
