import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.images import encoded
from tests.unit.training.pictures import LABELS, label_folders, picture, split_folders
from training.data import SPLITS, DataSet, open_dataset, reopen
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
    (folder / "huge.tif").write_bytes(encoded(Image.new("1", (9000, 6000)), "TIFF", compression="group4"))
    (folder / "dangling.png").symlink_to(folder / "gone.png")
    (folder / "again").symlink_to(tmp_path)
    (tmp_path / "README.md").write_text("about")
    data = open_dataset(tmp_path)
    reasons = {path.name: reason for path, reason in data.left_out}
    assert reasons.keys() == {
        *("a note.jpg", "empty.png", "cut off.png", "picture.heic", "huge.tif", "dangling.png", "again", "README.md")
    }
    assert reasons["a note.jpg"] == "it does not begin like an image"
    assert reasons["empty.png"] == "it is empty"
    assert "cannot be decoded" in reasons["cut off.png"]
    assert "HEIC" in reasons["picture.heic"]
    assert "54.0 megapixels; at most 50 megapixels" in reasons["huge.tif"]
    assert "cannot be read" in reasons["dangling.png"]
    assert reasons["again"] == "it is a link to a folder that it lies in"
    assert sum(data.counts.values()) == 30
    assert any("cut off.png: " in line for line in data.describe())


def test_many_files_left_out_for_one_reason_are_told_in_a_few_lines(tmp_path: Path) -> None:
    label_folders(tmp_path, count=4)
    for number in range(50):
        (tmp_path / "vert" / f"photo {number:02}.txt").write_text("green")
    data = open_dataset(tmp_path)
    assert len(data.names_left_out()) == 50
    lines = [line for line in data.describe() if line.startswith("left out: ")]
    assert len(lines) == 4
    assert lines[0] == "left out: vert/photo 00.txt: it does not begin like an image"
    assert lines[3] == "left out: 47 more: it does not begin like an image"


def test_every_file_is_given_to_the_reader_once(tmp_path: Path) -> None:
    label_folders(tmp_path, count=4)
    given: dict[Path, bytes] = {}
    with_reader = open_dataset(tmp_path, read=given.__setitem__)
    assert given == {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    assert with_reader == open_dataset(tmp_path)


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


def test_photos_behind_links_are_taken(tmp_path: Path) -> None:
    label_folders(tmp_path / "elsewhere", count=5, labels=["vert", "more"])
    label_folders(tmp_path / "photos", count=4, labels=["bleu"])
    (tmp_path / "photos" / "vert").symlink_to(tmp_path / "elsewhere" / "vert")
    (tmp_path / "photos" / "bleu" / "one more.png").symlink_to(tmp_path / "elsewhere" / "more" / "photo 4.png")
    data = open_dataset(tmp_path / "photos")
    assert (data.labels, sum(data.counts.values()), data.left_out) == (["bleu", "vert"], 10, [])


def test_copies_of_a_photo_stay_in_one_split(tmp_path: Path) -> None:
    label_folders(tmp_path, count=20)
    for path in sorted((tmp_path / "vert").iterdir())[:10]:
        (tmp_path / "vert" / f"copy of {path.name}").write_bytes(path.read_bytes())
    for seed in range(5):
        data = open_dataset(tmp_path, seed)
        assert data.counts == {"train": 56, "validation": 7, "test": 7}
        assert not [note for note in data.notes if "more than one split" in note]
    for path in (tmp_path / "vert").iterdir():  # 3 photos, each 10 times
        path.write_bytes((tmp_path / "红色" / f"photo {sum(path.name.encode()) % 3}.png").read_bytes())
    data = open_dataset(tmp_path)
    assert {split: len({s.path.read_bytes() for s in data.splits[split] if s.label == 1}) for split in SPLITS} == {
        **{"train": 1, "validation": 1, "test": 1}
    }


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
    assert open_dataset(tmp_path).names_left_out() == [("vert/\\xff.png", "its name is not UTF-8")]
    (tmp_path / "vert").rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))
    with pytest.raises(TwinlensError, match="not UTF-8, so it cannot be a label"):
        open_dataset(tmp_path)
    label_folders(root := Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xfe")))
    with pytest.raises(TwinlensError, match=r"\\xfe is not UTF-8, so it cannot be recorded") as refused:
        open_dataset(root)
    refused.value.detail.encode()


def test_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests may run as root, who may read everything, so the system's answer is made up.
    def refusing(method: Callable[..., Any], name: str) -> Callable[..., Any]:
        def asked(path: Path, *arguments: Any, **options: Any) -> Any:
            if path.name == name:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return method(path, *arguments, **options)

        return asked

    label_folders(tmp_path, count=4)
    photo = picture((0, 0, 0), seed=9)
    for name in ("private.png", "link.png"):
        photo.save(tmp_path / "vert" / name)
    monkeypatch.setattr(Path, "open", refusing(Path.open, "private.png"))
    monkeypatch.setattr(Path, "stat", refusing(Path.stat, "link.png"))
    left_out = {path.name: reason for path, reason in open_dataset(tmp_path).left_out}
    assert left_out == dict.fromkeys(("private.png", "link.png"), "it cannot be read (Permission denied)")
    monkeypatch.setattr(Path, "iterdir", refusing(Path.iterdir, "红色"))
    with pytest.raises(TwinlensError, match=r"红色 cannot be read \(Permission denied\): allow it") as refused:
        open_dataset(tmp_path)
    assert refused.value.code == "invalid_data"


def test_what_one_should_know_about_the_data_is_noted(tmp_path: Path) -> None:
    split_folders(tmp_path, 4, 2, 2)
    for path in (tmp_path / "validation" / "vert").iterdir():
        path.unlink()
    same = (tmp_path / "train" / "vert" / "photo 0.png").read_bytes()
    (tmp_path / "test" / "vert" / "again.png").write_bytes(same)
    (tmp_path / "train" / "红色" / "too.png").write_bytes(same)
    notes = "\n".join(open_dataset(tmp_path).notes)
    assert "validation has only 4 photos" in notes
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


def _only_heic(root: Path) -> None:
    label_folders(root)
    (root / "iphone" / "2024").mkdir(parents=True)
    (root / "iphone" / "2024" / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))


def _one_level_too_high(root: Path) -> None:
    label_folders(root / "archive")


def _no_folders(root: Path) -> None:
    for index in range(5):
        picture((0, 0, 0), index).save(root / f"{index}.png")


def _copies(root: Path) -> None:
    label_folders(root)
    for index in range(10):
        (root / "vert" / f"photo {index}.png").write_bytes((root / "红色" / f"photo {index % 2}.png").read_bytes())


def _two_lines(root: Path) -> None:
    label_folders(root, labels=["vert", "two\nlines"])


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
        (_only_heic, r"iphone holds no photo that can be read \(2024/IMG_1.HEIC: This is a HEIC file"),
        (_one_level_too_high, r"1 label \(archive\); .* If the labels are the folders in .*archive, give that"),
        (_no_folders, r"0 labels \(none\); .* The 5 files that lie in none must be sorted"),
        (_copies, r"'vert' has 10 photos \(2 without copies\); .* at least 3"),
        (_two_lines, "has a control character in it"),
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
