import os
import shutil
from pathlib import Path

import pytest

from tests import models
from twinlens import publishing, store
from twinlens.errors import TwinlensError
from twinlens.publishing import LOG, put_in_use


@pytest.fixture
def folder(tmp_path):
    """A model of three versions, none of which was published by anybody."""
    for version in ("v1", "v2", "v3"):
        model = models.write(tmp_path, version=version)
    (model / "current").unlink()
    return model


def published(folder, *steps):
    for action, version in steps:
        with publishing.changing(folder):
            put_in_use(folder, version, "ana", action)


def test_every_publication_is_a_line_and_the_last_one_is_in_use(folder):
    published(folder, ("publish", "v1"), ("publish", "v2"), ("rollback", "v1"))
    log = publishing.history(folder)
    assert [(each.action, each.version, each.replaced) for each in log] == [
        ("publish", "v1", None),
        ("publish", "v2", "v1"),
        ("rollback", "v1", "v2"),
    ]
    assert {each.who for each in log} == {"ana"}
    assert log[1].digest == store.open_version(folder / "v2").digest
    assert store.current_version(folder) == "v1"


def test_going_back_goes_back_further_each_time(folder):
    published(folder, ("publish", "v1"), ("publish", "v2"), ("publish", "v3"))
    assert publishing.earlier_version(folder) == "v2"
    published(folder, ("rollback", "v2"))
    assert publishing.earlier_version(folder) == "v1"
    published(folder, ("rollback", "v1"))
    with pytest.raises(TwinlensError) as caught:
        publishing.earlier_version(folder)
    assert caught.value.code == "no_earlier_version"
    assert "v2, v3" in caught.value.detail


def test_the_last_version_that_a_person_has_published(folder):
    store.set_current(folder, "v1")
    assert publishing.attended_version(folder) == "v1", "somebody has put it there by hand"
    with publishing.changing(folder):
        put_in_use(folder, "v1", "ana")
        put_in_use(folder, "v2", "ana", unattended=True)
        put_in_use(folder, "v3", "ana", unattended=True)
    assert publishing.attended_version(folder) == "v1"
    published(folder, ("rollback", "v2"))
    assert publishing.attended_version(folder) == "v1", "nobody has looked at v2 by going back to it"
    published(folder, ("publish", "v3"))
    assert publishing.attended_version(folder) == "v3"


def test_a_run_is_recorded_so_that_it_is_found_from_anywhere(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with publishing.changing(folder):
        put_in_use(folder, "v1", "ana", run=Path("runs/one"), run_sha256="0" * 64)
    assert publishing.history(folder)[-1].run == str(tmp_path.resolve() / "runs" / "one")


def test_what_is_published_is_on_the_disk_before_it_is_in_use(folder, tmp_path, monkeypatch):
    """Also what a machine that loses its power would lose: files, and the names of files in their folders."""
    done = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor):
        done.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def replaced(path, target):
        done.append(Path(target).name)
        return replace(path, target)

    staged = tmp_path / "staged"
    shutil.copytree(folder / "v1", staged)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    store.publish(staged, folder, "v9")
    store.set_current(folder, "v9")
    before, after = done[: done.index("current")], done[done.index("current") + 1 :]
    for path in (folder / "v9", *(folder / "v9").rglob("*"), folder):
        assert path.stat().st_ino in before, path
    assert folder.stat().st_ino in after


def test_what_is_no_version_is_neither_recorded_nor_in_use(folder):
    published(folder, ("publish", "v1"))
    (folder / "v2" / "contract.json").write_text("{}")
    for version in ("v2", "v9"):
        with pytest.raises(TwinlensError):
            published(folder, ("publish", version))
    assert len(publishing.history(folder)) == 1
    assert store.current_version(folder) == "v1"


def test_half_a_line_is_what_a_crash_leaves_and_the_next_publication_drops_it(folder):
    published(folder, ("publish", "v1"))
    with (folder / LOG).open("ab") as stream:
        stream.write(b'{"time":"2026')
    assert len(publishing.history(folder)) == 1
    published(folder, ("publish", "v2"))
    assert [each.version for each in publishing.history(folder)] == ["v1", "v2"]


def test_a_damaged_log_is_an_error_that_names_the_line(folder):
    published(folder, ("publish", "v1"), ("publish", "v2"))
    lines = (folder / LOG).read_bytes().splitlines()
    (folder / LOG).write_bytes(lines[0] + b"\nnonsense\n")
    with pytest.raises(TwinlensError, match="line 2") as caught:
        publishing.history(folder)
    assert caught.value.code == "invalid_model"


def test_one_command_at_a_time_publishes(folder, monkeypatch):
    monkeypatch.setattr(publishing, "_PATIENCE_SECONDS", 0.2)
    with publishing.changing(folder), pytest.raises(TwinlensError) as caught, publishing.changing(folder):
        pass
    assert caught.value.code == "model_in_use"


def test_names_of_publishers(monkeypatch):
    assert publishing.publisher(" Ana 王 ") == "Ana 王"
    for wrong in ("", "  ", "a\nb", "x" * 101):
        with pytest.raises(TwinlensError) as caught:
            publishing.publisher(wrong)
        assert caught.value.code == "invalid_arguments"

    def nobody():
        raise KeyError("uid not found")

    monkeypatch.setattr(publishing.getpass, "getuser", nobody)
    assert publishing.publisher(None) == "unknown"
