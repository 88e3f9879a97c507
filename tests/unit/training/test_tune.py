from dataclasses import fields
from pathlib import Path

import pytest

from training import tune as command
from training.cli import main
from training.tuning import Tuning


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[Tuning]:
    """The arguments that reach the tuning, which is not done."""
    calls: list[Tuning] = []
    monkeypatch.setattr(command, "tune", calls.append)
    return calls


def test_the_command_line_has_the_tunings_defaults(received: list[Tuning]) -> None:
    assert main(["tune", "runs/a", "--weights", "int4-channel", "--out", "runs/b"]) == 0
    assert received == [Tuning(Path("runs/a"), Path("runs/b"), "int4-channel")]


def test_every_argument_reaches_the_tuning(received: list[Tuning]) -> None:
    wanted = Tuning(
        source=Path("s"),
        out=Path("o"),
        weights="int5-channel",
        data=Path("p"),
        epochs=3,
        lr=0.1,
        batch_size=7,
        train_size=96,
        crop_area=0.7,
        seed=9,
        split_seed=10,
        device="cpu",
        workers=2,
        memory_mib=11,
        resume=True,
    )
    default = Tuning(Path("s"), Path("o"), "int4-channel")
    same = [field.name for field in fields(Tuning) if getattr(wanted, field.name) == getattr(default, field.name)]
    assert same == ["source", "out"], "every other argument must be given here"
    words = ["tune", "s", "--resume"]
    for field in fields(Tuning):
        if field.name not in ("source", "resume"):
            words += [f"--{field.name.replace('_', '-')}", str(getattr(wanted, field.name))]
    assert main(words) == 0
    assert received == [wanted]


def test_a_run_among_the_photos_is_refused(received: list[Tuning], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "s", "--weights", "int4-channel", "--data", "p", "--out", "p/run"]) == 2
    assert "error [invalid_arguments]: --out p/run lies in the folder of photos, p" in capsys.readouterr().err
    assert received == []


@pytest.mark.parametrize("weights", ["float16", "int3-channel"])
def test_weights_that_are_not_integers_are_refused(
    weights: str, received: list[Tuning], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["tune", "s", "--weights", weights, "--out", "o"])
    assert "choose from" in capsys.readouterr().err
