"""What training makes of a data set with a manifest."""

from pathlib import Path

import pytest

from tests.unit.training.dataset.made import folders, photo
from training.data import DataSet, open_dataset, reopen
from training.dataset.importing import import_in_place
from training.dataset.intake import About
from training.dataset.split import split
from training.run import Run, save_splits
from twinlens.dataset import manifest
from twinlens.dataset.manifest import MANIFEST, Row, Split
from twinlens.errors import TwinlensError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten photos under each of two labels, with a manifest that divides them."""
    folder = folders(tmp_path / "photos", {"hat": 10, "cap": 10})
    import_in_place(folder, About("", licence="cc0"))
    split(folder, near=-1)
    return folder


def changed(folder: Path, index: int, **update: str | None) -> list[Row]:
    """Write the manifest with one row changed."""
    rows = manifest.require(folder)
    rows[index] = rows[index].model_copy(update=update)
    manifest.write(folder, rows)
    return rows


def record(data: DataSet) -> Run:
    """Of a run, what :func:`reopen` looks at."""
    return Run.model_construct(data=str(data.path), labels=data.labels, data_digest=data.digest)


def test_labels_splits_and_digest_are_the_manifests(photos: Path) -> None:
    rows = changed(photos, 0, label="hat")
    data = open_dataset(photos)
    assert data.counts == {"train": 16, "validation": 2, "test": 2}
    assert data.digest == manifest.digest(rows)
    found = {
        sample.path.relative_to(photos).as_posix(): (data.labels[sample.label], name)
        for name, samples in data.splits.items()
        for sample in samples
    }
    assert found == {row.path: (row.label, row.split) for row in rows}


def test_a_photo_that_is_not_listed_is_left_out(photos: Path) -> None:
    (photos / "hat" / "new.png").write_bytes(photo(99))
    data = open_dataset(photos)
    assert data.names_left_out() == [("hat/new.png", f"{MANIFEST} does not list it")]
    assert sum(data.counts.values()) == 20


def test_photos_that_are_held_out_are_in_no_other_split_and_known_again(photos: Path, tmp_path: Path) -> None:
    rows = manifest.require(photos)
    index = next(index for index, row in enumerate(rows) if row.split == "train")
    rows = changed(photos, index, split="held-out")
    data = open_dataset(photos)
    assert data.counts == {"train": 15, "validation": 2, "test": 2, "held-out": 1}
    assert [sample.path for sample in data.splits["held-out"]] == [photos / rows[index].path]
    assert data.digest == manifest.digest(rows)
    save_splits(tmp_path / "run", data.paths(), data.rows)
    assert reopen(tmp_path / "run", record(data)).splits == data.splits


def test_a_missing_split_is_not_made_of_what_is_held_out(photos: Path) -> None:
    rows = [
        row.model_copy(update={"split": "held-out" if row.split == "test" else "train"})
        for row in manifest.require(photos)
    ]
    manifest.write(photos, rows)
    data = open_dataset(photos)
    held = {photos / row.path for row in rows if row.split == "held-out"}
    assert {sample.path for sample in data.splits["held-out"]} == held
    assert not held & {sample.path for name in ("train", "validation", "test") for sample in data.splits[name]}
    assert data.counts["validation"] == data.counts["test"] == 2


def test_without_splits_a_manifest_is_divided_as_a_folder_is(tmp_path: Path) -> None:
    folder = folders(tmp_path, {"hat": 10, "cap": 10})
    plain = open_dataset(folder, seed=3)
    import_in_place(folder, About(""))
    data = open_dataset(folder, seed=3)
    assert data.splits == plain.splits
    assert data.digest != plain.digest
    assert data.rows is not None and data.digest == manifest.digest(data.rows)
    assert {row.split for row in data.rows} == {"train", "validation", "test"}


def test_a_model_of_before_the_manifest_still_knows_its_photos(tmp_path: Path) -> None:
    folder = folders(tmp_path, {"hat": 10, "cap": 10})
    before = open_dataset(folder).digest
    import_in_place(folder, About("", licence="cc0"))
    data = open_dataset(folder)
    assert data.is_of(before) and data.is_of(data.digest)
    (one, *_) = manifest.require(folder)
    changed(folder, 0, label="hat" if one.label == "cap" else "cap")
    assert not open_dataset(folder).is_of(before)


def test_a_run_keeps_the_manifest_that_it_was_trained_on(photos: Path, tmp_path: Path) -> None:
    data = open_dataset(photos)
    save_splits(tmp_path / "run", data.paths(), data.rows)
    changed(photos, 0, licence="by 4.0")
    assert open_dataset(photos).digest != data.digest
    again = reopen(tmp_path / "run", record(data))
    assert (again.digest, again.splits) == (data.digest, data.splits)
    (photos / manifest.require(photos)[0].path).write_bytes(photo(99))
    with pytest.raises(TwinlensError, match="changed since"):
        reopen(tmp_path / "run", record(data))


def test_a_run_without_a_manifest_does_not_mind_one(tmp_path: Path) -> None:
    folder = folders(tmp_path / "photos", {"hat": 10, "cap": 10})
    data = open_dataset(folder)
    save_splits(tmp_path / "run", data.paths(), data.rows)
    import_in_place(folder, About("", licence="cc0"))
    assert reopen(tmp_path / "run", record(data)).digest == data.digest


@pytest.mark.parametrize("damage", ["bytes", "gone", "broken"])
def test_photos_that_are_not_what_is_listed_are_refused(photos: Path, damage: str) -> None:
    path = photos / manifest.require(photos)[3].path
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(photo(99)[: None if damage == "bytes" else 100])
    with pytest.raises(TwinlensError, match=r"1 of the 20 photos.*verify") as caught:
        open_dataset(photos)
    assert caught.value.code == "invalid_data"


def every(folder: Path, place: Split | None, **of: str) -> None:
    """Put all photos of a kind into one split."""
    rows = [
        row.model_copy(update={"split": place}) if all(getattr(row, key) == value for key, value in of.items()) else row
        for row in manifest.require(folder)
    ]
    manifest.write(folder, rows)


def test_what_cannot_be_learned_is_refused(photos: Path) -> None:
    every(photos, "test", label="hat")
    with pytest.raises(TwinlensError, match="'hat' has no photo in train"):
        open_dataset(photos)
    every(photos, None, label="cap")
    with pytest.raises(TwinlensError, match=r"10 of the 20 photos .* are in no split"):
        open_dataset(photos)
    manifest.write(photos, [row for row in manifest.require(photos) if row.label == "cap"])
    with pytest.raises(TwinlensError, match="has 1 label to learn"):
        open_dataset(photos)


def places(data: DataSet) -> dict[str, set[str | None]]:
    """The splits of each group."""
    found: dict[str, set[str | None]] = {}
    for row in data.rows or []:
        found.setdefault(str(row.group), set()).add(row.split)
    return found


def grouped(folder: Path, people: int) -> None:
    """Give each photo a person, of whom each has photos under both labels, and no split."""
    rows = [
        row.model_copy(update={"group": f"person {index % people}", "split": None})
        for index, row in enumerate(manifest.require(folder))
    ]
    manifest.write(folder, rows)


def test_groups_without_splits_are_kept_whole(photos: Path) -> None:
    grouped(photos, 6)
    data = open_dataset(photos)
    assert {len(found) for found in places(data).values()} == {1}
    assert all(data.counts.values()) and sum(data.counts.values()) == 20
    assert open_dataset(photos).splits == data.splits
    assert len({open_dataset(photos, seed=seed).digest for seed in range(4)}) > 1


def test_groups_are_kept_whole_where_one_split_is_missing(photos: Path) -> None:
    rows = [
        row.model_copy(update={"group": f"person {index // 2}", "split": "test" if row.split == "test" else "train"})
        for index, row in enumerate(manifest.require(photos))
    ]
    held = {row.path for row in rows if row.split == "test"}
    manifest.write(photos, rows)
    data = open_dataset(photos)
    assert {row.path for row in data.rows or [] if row.split == "test"} == held
    torn = [found for found in places(data).values() if len(found) > 1]
    assert all(found == {"train", "test"} for found in torn)  # as they were given
    assert data.counts["validation"] > 0


def test_groups_that_are_held_out_stay_that_where_splits_are_made(photos: Path) -> None:
    rows = [
        row.model_copy(update={"group": f"person {index // 2}", "split": "held-out" if index in (4, 5) else "train"})
        for index, row in enumerate(manifest.require(photos))
    ]
    manifest.write(photos, rows)
    data = open_dataset(photos)
    assert [row.path for row in data.rows or [] if row.split == "held-out"] == [rows[4].path, rows[5].path]
    assert {len(found) for found in places(data).values()} == {1}
    assert data.counts["validation"] > 0 and data.counts["test"] > 0


def test_too_few_groups_to_hold_some_out_are_refused(photos: Path) -> None:
    grouped(photos, 1)
    with pytest.raises(TwinlensError, match="too few groups for train and test") as caught:
        open_dataset(photos)
    assert caught.value.code == "invalid_data"
