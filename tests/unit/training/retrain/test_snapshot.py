import os

import pytest

from tests.unit.training.retrain.made import data_set
from training.retrain import snapshot
from twinlens.dataset import manifest
from twinlens.errors import TwinlensError


@pytest.fixture
def data(tmp_path):
    data_set(tmp_path / "data", test=1)
    return tmp_path / "data"


def test_photos_are_linked_and_stay_when_they_are_moved(data, tmp_path):
    rows = manifest.require(data)
    taken = snapshot.take(data, rows, tmp_path / "out")
    assert snapshot.taken(tmp_path / "out") and manifest.require(taken) == rows
    assert all((taken / row.path).samefile(data / row.path) for row in rows)
    (data / rows[0].path).rename(tmp_path / "aside.png")
    assert (taken / rows[0].path).read_bytes() == (tmp_path / "aside.png").read_bytes()


def test_photos_are_copied_where_they_cannot_be_linked(data, tmp_path, monkeypatch):
    def link(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", link)
    rows = manifest.require(data)
    taken = snapshot.take(data, rows, tmp_path / "out")
    assert all((taken / row.path).read_bytes() == (data / row.path).read_bytes() for row in rows)
    assert not (taken / rows[0].path).samefile(data / rows[0].path)


def test_a_link_among_the_photos_is_followed(data, tmp_path):
    rows = manifest.require(data)
    photo = data / rows[0].path
    photo.rename(tmp_path / "elsewhere.png")
    photo.symlink_to("../../elsewhere.png")
    taken = snapshot.take(data, rows, tmp_path / "out" / "deeper")
    assert not (taken / rows[0].path).is_symlink()
    assert (taken / rows[0].path).samefile(tmp_path / "elsewhere.png")


def test_one_that_was_not_finished_is_taken_anew(data, tmp_path):
    rows = manifest.require(data)
    stale = tmp_path / "out" / snapshot.FOLDER / rows[0].path
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half")
    assert not snapshot.taken(tmp_path / "out")
    taken = snapshot.take(data, rows, tmp_path / "out")
    assert (taken / rows[0].path).samefile(data / rows[0].path)
    (data / rows[1].path).unlink()
    with pytest.raises(TwinlensError, match="data verify") as caught:
        snapshot.take(data, rows, tmp_path / "out")
    assert caught.value.code == "invalid_data"
    assert not snapshot.taken(tmp_path / "out")
