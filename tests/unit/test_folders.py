import os
from pathlib import Path

import pytest

from twinlens.errors import TwinlensError
from twinlens.folders import readable, split_folders, visible


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(TwinlensError, match="gone cannot be read") as refused:
        visible(tmp_path / "gone")
    assert refused.value.code == "invalid_data"


def test_a_name_of_any_bytes_can_be_printed() -> None:
    assert readable(Path(os.fsdecode(b"\xff.jpg"))) == "\\xff.jpg"
    assert readable(Path("红色/été.jpg")) == "红色/été.jpg"


def test_splits_are_known_by_several_names(tmp_path: Path) -> None:
    for name in ("Train/hat", "val/hat", "test/hat", "other/hat", ".valid/hat"):
        (tmp_path / name).mkdir(parents=True)
    found = {folder.name: split for folder, split in split_folders(tmp_path).items()}
    assert found == {"Train": "train", "val": "validation", "test": "test"}


def test_a_folder_of_photos_of_trains_is_no_split(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "express.jpg").touch()
    assert split_folders(tmp_path) == {}
