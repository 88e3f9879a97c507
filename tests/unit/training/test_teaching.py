from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.unit.training.pictures import split_folders
from training import checkpoint
from training.arguments import Arguments
from training.data import DataSet, open_dataset
from training.recipe import train
from training.run import Run, load, save
from training.teaching import open_teachers, scores, smoothed
from twinlens.errors import TwinlensError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return split_folders(tmp_path_factory.mktemp("photos"), train=8, validation=3, test=3)


def _arguments(photos: Path, out: Path, **others: object) -> Arguments:
    small = Arguments(photos, out, arch="squeezenet1_1", init="none", epochs=1, image_size=32, train_size=(32,))
    return replace(small, batch_size=8, workers=0, device="cpu", **others)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def teachers(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("teachers")
    for seed, arch in enumerate(("squeezenet1_1", "shufflenet_v2_x0_5")):
        train(_arguments(photos, folder / arch, arch=arch, seed=seed))
    return tuple(folder.iterdir())


@pytest.fixture(scope="module")
def taught(photos: Path, teachers: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Arguments, Run]:
    arguments = _arguments(photos, tmp_path_factory.mktemp("runs") / "taught", teacher=teachers, teaching=1.0)
    return arguments, train(arguments)


@pytest.fixture(scope="module")
def data(photos: Path) -> DataSet:
    return open_dataset(photos)


def test_the_mean_of_the_teachers_scores(teachers: tuple[Path, ...], data: DataSet) -> None:
    inputs = torch.rand(3, 3, 32, 32)
    both = open_teachers(teachers, data, [32], CPU)
    each = [scores([teacher], inputs) for teacher in both]
    assert torch.allclose(scores(both, inputs), (each[0] + each[1]) / 2)
    assert torch.allclose(scores(both, inputs).sum(dim=1), torch.ones(3))
    assert not any(parameter.requires_grad for teacher in both for parameter in teacher.network.parameters())


def test_smoothed_labels() -> None:
    expected = torch.tensor([[0.05, 0.05, 0.85, 0.05]])
    assert torch.allclose(smoothed(torch.tensor([2]), 4, 0.2), expected)


def test_the_teachers_change_what_is_learned_and_are_recorded(photos: Path, taught: tuple[Arguments, Run]) -> None:
    arguments, run = taught
    alone = train(_arguments(photos, arguments.out.with_name("alone")))
    assert run.epochs[0].train_loss != alone.epochs[0].train_loss
    assert sorted(teacher.arch for teacher in run.teachers) == ["shufflenet_v2_x0_5", "squeezenet1_1"]
    assert load(arguments.out) == run
    assert alone.teachers == []


def test_a_taught_run_goes_on_with_its_own_teachers_only(taught: tuple[Arguments, Run]) -> None:
    arguments, run = taught
    assert train(replace(arguments, resume=True)) == run
    with pytest.raises(TwinlensError, match="--teacher") as changed:
        train(replace(arguments, resume=True, teacher=arguments.teacher[:1]))
    assert changed.value.code == "already_exists"


def test_a_teacher_that_was_trained_again_is_another_one(
    taught: tuple[Arguments, Run], photos: Path, tmp_path: Path
) -> None:
    teacher = tmp_path / "teacher"
    train(_arguments(photos, teacher, seed=1))
    arguments = _arguments(photos, tmp_path / "taught", teacher=(teacher,))
    train(arguments)
    other = train(_arguments(photos, tmp_path / "other", seed=2))
    assert other.finished
    (teacher / "best.pt").write_bytes((tmp_path / "other" / "best.pt").read_bytes())
    with pytest.raises(TwinlensError, match="has changed since") as changed:
        train(replace(arguments, resume=True))
    assert changed.value.code == "invalid_arguments"


def test_a_teacher_of_other_labels_is_refused(teachers: tuple[Path, ...], tmp_path: Path, photos: Path) -> None:
    other = tmp_path / "other"
    for split in ("train", "validation", "test"):
        for label in sorted((photos / split).iterdir())[:2]:
            (other / split / label.name).mkdir(parents=True)
            for photo in label.iterdir():
                (other / split / label.name / photo.name).write_bytes(photo.read_bytes())
    with pytest.raises(TwinlensError, match="answers with other labels") as refused:
        train(_arguments(other, tmp_path / "run", teacher=teachers))
    assert refused.value.code == "invalid_arguments"
    assert not (tmp_path / "run").exists()


def test_a_teacher_that_saw_other_photos_is_named(
    teachers: tuple[Path, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fewer = split_folders(tmp_path / "photos", train=8, validation=3, test=3)
    next(path for path in (fewer / "train").rglob("*") if path.is_file()).unlink()
    open_teachers(teachers, open_dataset(fewer), [32], CPU)
    assert "was trained on other photos" in capsys.readouterr().out


def test_a_teacher_that_is_no_run_is_an_error(data: DataSet, tmp_path: Path) -> None:
    with pytest.raises(TwinlensError) as missing:
        open_teachers([tmp_path], data, [32], CPU)
    assert missing.value.code == "invalid_run"


def test_a_teacher_that_has_not_finished_is_refused(teachers: tuple[Path, ...], data: DataSet, tmp_path: Path) -> None:
    save(tmp_path, load(teachers[0]).model_copy(update={"finished": None}))
    checkpoint.save(tmp_path / checkpoint.BEST, checkpoint.load_best(teachers[0]))
    with pytest.raises(TwinlensError, match="is not finished") as refused:
        open_teachers([tmp_path], data, [32], CPU)
    assert refused.value.code == "invalid_arguments"


def test_a_teacher_that_cannot_see_such_crops_is_refused(teachers: tuple[Path, ...], data: DataSet) -> None:
    small = [run for run in teachers if load(run).arch == "squeezenet1_1"]
    assert len(open_teachers(small, data, [48, 32, 48], CPU)) == 1
    with pytest.raises(TwinlensError, match=r"teacher .* \(squeezenet1_1\) cannot take photos of 4 x 4") as refused:
        open_teachers(small, data, [32, 4], CPU)
    assert refused.value.code == "invalid_arguments"
