from dataclasses import fields
from pathlib import Path

import pytest

from tests.unit.training.pictures import label_folders
from training import train as command
from training.arguments import Arguments
from training.cli import main, parser
from twinlens.errors import TwinlensError


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[Arguments]:
    """The arguments that reach the recipe, which is not run."""
    calls: list[Arguments] = []
    monkeypatch.setattr(command, "train", lambda arguments, group: calls.append(arguments))
    return calls


def test_the_command_line_has_the_recipes_defaults(received: list[Arguments]) -> None:
    assert main(["train", "photos", "--out", "runs/a"]) == 0
    assert received == [Arguments(Path("photos"), Path("runs/a"))]


def test_every_argument_reaches_the_recipe(received: list[Arguments]) -> None:
    wanted = Arguments(
        data=Path("p"),
        out=Path("o"),
        arch="resnet18",
        init="none",
        epochs=3,
        image_size=192,
        shorter_edge=224,
        squeeze=1.5,
        train_size=(96, 160),
        batch_size=7,
        freeze=4,
        lr_body=0.1,
        lr_head=0.2,
        weight_decay=0.3,
        warmup=0.4,
        label_smoothing=0.5,
        teacher=(Path("a"), Path("b")),
        teaching=0.55,
        ema=0.6,
        crop_area=0.7,
        patience=8,
        seed=9,
        split_seed=10,
        device="cpu",
        workers=2,
        memory_mib=11,
        resume=True,
    )
    default = Arguments(Path("p"), Path("o"))
    same = [field.name for field in fields(Arguments) if getattr(wanted, field.name) == getattr(default, field.name)]
    assert same == ["data", "out"], "every other argument must be given here"
    words = ["train", "p", "--out", "o", "--resume"]
    for field in fields(Arguments):
        if field.name not in ("data", "out", "resume"):
            value = getattr(wanted, field.name)
            values = value if isinstance(value, tuple) else (value,)
            words += [f"--{field.name.replace('_', '-')}", *map(str, values)]
    assert main(words) == 0
    assert received == [wanted]


def test_a_crop_larger_than_the_photo_is_refused(received: list[Arguments]) -> None:
    options = parser().parse_args(["train", "p", "--out", "o", "--shorter-edge", "200"])
    with pytest.raises(TwinlensError, match="--shorter-edge 200 is below --image-size 224"):
        options.func(options)
    assert received == []


@pytest.mark.parametrize(("data", "out"), [("photos", "photos/run"), (".", "runs/mine"), ("photos", "photos")])
def test_a_run_among_the_photos_is_refused(
    data: str, out: str, received: list[Arguments], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", data, "--out", out]) == 2
    assert f"error [invalid_arguments]: --out {out} lies in the folder of photos" in capsys.readouterr().err
    assert received == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epochs", "0"], "'0' is no whole number from 1 up"),
        (["--epochs", "two"], "'two' is no whole number from 1 up"),
        (["--ema", "1"], "'1' is no number from 0 to 0.99999"),
        (["--lr-body", "nan"], "'nan' is no number from 0 to 1"),
        (["--seed", "-1"], "'-1' is no whole number from 0 up"),
        (["--device", "tpu"], "invalid choice"),
    ],
)
def test_a_bad_value_is_named(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "photos", "--out", "o", *words])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, capsys):
    photos = label_folders(tmp_path / "photos", count=4)
    (tmp_path / "file").write_text("")
    options = ["--arch", "mobilenet_v3_small", "--init", "none", "--image-size", "64", "--train-size", "64"]
    assert main(["train", str(photos), "--out", str(tmp_path / "file" / "run"), *options]) == 2
    assert "error [cannot_write]" in capsys.readouterr().err
