from argparse import Namespace

import pytest
import torch

from training import cli, train
from training.cli import main


@pytest.mark.parametrize("command", ["data", "train", "soup", "tune", "evaluate", "export", "retrain"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"python -m training {command}" in capsys.readouterr().out


def test_no_command_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_a_known_error_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "/no/such/folder", "--out", "runs/never"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error [invalid_data]: There is no folder /no/such/folder.")
    assert len(captured.err.splitlines()) == 1


def test_a_mistake_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistake(options: Namespace) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(train, "run", mistake)
    with pytest.raises(ZeroDivisionError):
        main(["train", "photos", "--out", "runs/never"])


def test_ctrl_c_ends_quietly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(options: Namespace) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "run", interrupted)
    assert cli.main(["train", "photos", "--out", "runs/never"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_full_gpu_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(options: Namespace) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee the documentation.")

    monkeypatch.setattr(train, "run", full)
    assert main(["train", "photos", "--out", "runs/never"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error [invalid_arguments]: CUDA out of memory: the GPU has too little memory.")
    assert "--batch-size" in line
