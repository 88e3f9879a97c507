import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.training.pictures import LABELS, label_folders, picture, split_folders
from training.data import DataSet, open_dataset, reopen
from training.run import Run, save_splits
from twinlens.errors import TwinlensError


def names(data: DataSet, split: str) -> set[str]:
    return {f"{data.labels[sample.label]}/{sample.path.name}" for sample in data.splits[split]}


def test_folders_of_labels_are_split_80_10_10_by_label(tmp_path: Path) -> None:
    data = open_dataset(label_folders(tmp_path, count=20))
    assert data.labels == sorted(LABELS)
    assert data.counts == {"train": 48, "validation": 6, "test": 6}
    for split, each in (("train", 16), ("validation", 2), ("test", 2)):
        found = [sample.label for sample in data.splits[split]]
        assert [found.count(label) for label in range(3)] == [each] * 3
    paths = [sample.path for samples in data.splits.values() for sample in samples]
    assert len(set(paths)) == 60
    assert all(data.labels[sample.label] == sample.path.parent.name for sample in data.splits["train"])


def test_a_split_depends_on_photos_and_seed_alone(tmp_path: Path) -> None:
    one = open_dataset(label_folders(tmp_path / "one"), seed=3)
    assert open_dataset(tmp_path / "one", seed=3).splits == one.splits
    assert open_dataset(tmp_path / "one", seed=4).digest != one.digest
    label_folders(tmp_path / "two")
    for number, path in enumerate(sorted((tmp_path / "two").rglob("*.png"), reverse=True)):
        path.rename(path.with_name(f"renamed {number}.png"))
    assert open_dataset(tmp_path / "two", seed=3).digest == one.digest


def test_the_digest_is_over_split_label_and_bytes(tmp_path: Path) -> None:
    data = open_dataset(split_folders(tmp_path, 2, 1, 1))
    lines = [
        f"{split}/{data.labels[sample.label]}/{hashlib.sha256(sample.path.read_bytes()).hexdigest()}\n"
        for split, samples in data.splits.items()
        for sample in samples
    ]
    assert data.digest == hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
    picture((1, 2, 3), seed=99).save(data.splits["test"][0].path)
    assert open_dataset(tmp_path).digest != data.digest


@pytest.mark.parametrize("validation", ["validation", "val", "valid", "Validation"])
def test_given_splits_are_kept(tmp_path: Path, validation: str) -> None:
    split_folders(tmp_path, 5, 2, 3)
    (tmp_path / "validation").rename(tmp_path / validation)
    data = open_dataset(tmp_path)
    assert data.counts == {"train": 15, "validation": 6, "test": 9}
    assert {sample.path.parts[-3] for sample in data.splits["validation"]} == {validation}


def test_a_missing_split_is_made_from_train(tmp_path: Path) -> None:
    data = open_dataset(split_folders(tmp_path, train=20, validation=0, test=3))
    assert data.counts == {"train": 54, "validation": 6, "test": 9}
    assert {sample.path.parts[-3] for sample in data.splits["validation"]} == {"train"}


def test_three_photos_of_a_label_are_one_for_each_split(tmp_path: Path) -> None:
    data = open_dataset(label_folders(tmp_path, count=3))
    assert data.counts == {"train": 3, "validation": 3, "test": 3}


def test_what_is_no_photo_is_left_out_with_a_reason(tmp_path: Path) -> None:
    label_folders(tmp_path)
    folder = tmp_path / "红色"
    (folder / "a note.jpg").write_text("not a picture")
    (folder / "empty.png").touch()
    whole = (folder / "photo 0.png").read_bytes()
    (folder / "cut off.png").write_bytes(whole[: len(whole) // 2])
    (folder / "picture.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    (folder / "dangling.png").symlink_to(folder / "gone.png")
    (tmp_path / "README.md").write_text("about")
    data = open_dataset(tmp_path)
    reasons = {path.name: reason for path, reason in data.left_out}
    assert reasons.keys() == {"a note.jpg", "empty.png", "cut off.png", "picture.heic", "dangling.png", "README.md"}
    assert "do not begin like an image" in reasons["a note.jpg"]
    assert "0 bytes" in reasons["empty.png"]
    assert "cannot be decoded" in reasons["cut off.png"]
    assert "HEIC" in reasons["picture.heic"]
    assert "cannot be read" in reasons["dangling.png"]
    assert sum(data.counts.values()) == 30
    assert any("cut off.png: " in line for line in data.describe())


def test_every_kind_of_photo_and_name_is_taken(tmp_path: Path) -> None:
    label_folders(tmp_path)
    folder = tmp_path / "vert" / "2024 год" / "été"
    folder.mkdir(parents=True)
    photo = picture((60, 180, 60), seed=50)
    photo.convert("L").save(folder / "grey 灰.jpg")
    photo.convert("CMYK").save(folder / "print.jpeg")
    photo.save(folder / "no extension", format="WEBP")
    photo.quantize(16).save(folder / "misnamed.jpg", format="GIF")
    data = open_dataset(tmp_path)
    assert data.left_out == []
    assert sum(data.counts.values()) == 34
    assert {path.name for path in folder.iterdir()} <= {s.path.name for split in data.splits.values() for s in split}


def test_hidden_files_are_ignored(tmp_path: Path) -> None:
    label_folders(tmp_path, count=4)
    (tmp_path / ".git" / "objects").mkdir(parents=True)
    (tmp_path / "vert" / "._photo 0.png").write_bytes(b"resource fork")
    data = open_dataset(tmp_path)
    assert data.left_out == []
    assert sum(data.counts.values()) == 12


def test_a_label_called_train_is_no_split(tmp_path: Path) -> None:
    data = open_dataset(label_folders(tmp_path, labels=["bus", "train", "test"]))
    assert data.labels == ["bus", "test", "train"]


def test_composed_and_decomposed_names_are_the_same_label(tmp_path: Path) -> None:
    split_folders(tmp_path, 4, 2, 2)
    for split, name in (("train", "\u00e9"), ("validation", "e\u0301"), ("test", "\u00e9")):
        (tmp_path / split / "vert").rename(tmp_path / split / name)
    assert open_dataset(tmp_path).labels == ["blue shirt", "\u00e9", "红色"]


@pytest.mark.skipif(os.name == "nt", reason="names are always Unicode on Windows")
def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    label_folders(tmp_path)
    odd = Path(os.fsdecode(os.fsencode(tmp_path / "vert") + b"/\xff.png"))
    picture((0, 0, 0), seed=1).save(odd, format="PNG")
    assert [(path, reason) for path, reason in open_dataset(tmp_path).left_out] == [(odd, "its name is not UTF-8")]
    (tmp_path / "vert").rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))
    with pytest.raises(TwinlensError, match="not UTF-8"):
        open_dataset(tmp_path)


def test_what_one_should_know_about_the_data_is_noted(tmp_path: Path) -> None:
    split_folders(tmp_path, 4, 2, 2)
    for path in (tmp_path / "validation" / "vert").iterdir():
        path.unlink()
    same = (tmp_path / "train" / "vert" / "photo 0.png").read_bytes()
    (tmp_path / "test" / "vert" / "again.png").write_bytes(same)
    (tmp_path / "train" / "红色" / "too.png").write_bytes(same)
    notes = "\n".join(open_dataset(tmp_path).notes)
    assert "validation has no photo of vert" in notes
    assert "1 photo is in more than one split" in notes
    assert "1 photo has more than one label" in notes


def _nothing(root: Path) -> None:
    root.rmdir()


def _empty(root: Path) -> None:
    pass


def _one_label(root: Path) -> None:
    label_folders(root, labels=["vert"])


def _too_few(root: Path) -> None:
    label_folders(root)
    label_folders(root, count=2, labels=["rare"])


def _empty_label(root: Path) -> None:
    label_folders(root)
    (root / "leer").mkdir()


def _label_only_in_test(root: Path) -> None:
    split_folders(root)
    label_folders(root / "test", 1, ["strange"])


def _no_train(root: Path) -> None:
    split_folders(root, train=0)


def _empty_split(root: Path) -> None:
    split_folders(root, validation=0)
    (root / "validation" / "vert").mkdir(parents=True)


def _two_validations(root: Path) -> None:
    split_folders(root)
    label_folders(root / "val")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_nothing, "no folder"),
        (_empty, r"0 labels \(none\)"),
        (_one_label, r"1 label \(vert\)"),
        (_too_few, "'rare' has 2 photos; .* at least 3"),
        (_empty_label, "leer holds no photo"),
        (_label_only_in_test, "'strange' is in test but not in train"),
        (_no_train, "no train/"),
        (_empty_split, "validation holds no photo"),
        (_two_validations, "val and validation, both for validation"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    make(tmp_path)
    with pytest.raises(TwinlensError, match=message) as refused:
        open_dataset(tmp_path)
    assert refused.value.code == "invalid_data"


def _record(run: Path, data: DataSet) -> Run:
    save_splits(run, data.paths())
    return Run.model_construct(labels=data.labels, data=str(data.path), data_digest=data.digest)


def test_a_runs_photos_are_found_again_in_its_splits(tmp_path: Path) -> None:
    data = open_dataset(label_folders(tmp_path / "photos"), seed=5)
    record = _record(tmp_path / "run", data)
    label_folders(tmp_path / "photos", count=3, labels=["added later"])
    assert reopen(tmp_path / "run", record).splits == data.splits
    (tmp_path / "photos").rename(tmp_path / "moved")
    moved = reopen(tmp_path / "run", record, tmp_path / "moved")
    assert (moved.digest, names(moved, "test")) == (data.digest, names(data, "test"))


def test_photos_that_changed_or_went_are_not_those_of_the_run(tmp_path: Path) -> None:
    data = open_dataset(label_folders(tmp_path / "photos"))
    record = _record(tmp_path / "run", data)
    photo = data.splits["test"][0].path
    Image.new("RGB", (20, 20)).save(photo)
    with pytest.raises(TwinlensError, match="are not those that the run was trained on"):
        reopen(tmp_path / "run", record)
    photo.unlink()
    with pytest.raises(TwinlensError, match="cannot be read") as gone:
        reopen(tmp_path / "run", record)
    assert gone.value.code == "invalid_data"
    assert photo.name in gone.value.detail
