import json
import os
import stat

import pytest

from tests import models
from twinlens import store
from twinlens.errors import TwinlensError


@pytest.fixture
def folder(tmp_path):
    return models.write(tmp_path / "models")


def code_of(call, *arguments):
    with pytest.raises(TwinlensError) as caught:
        call(*arguments)
    return caught.value.code


def test_current_leads_to_the_version_in_use(folder):
    models.write(folder.parent, version="v2")
    assert store.current_version(folder) == "v2"
    store.set_current(folder, "v1")
    opened = store.open_current(folder)
    assert opened.contract.model.version == "v1"
    assert opened.contract_bytes == (folder / "v1" / "contract.json").read_bytes()


def test_a_files_bytes_are_checked_against_the_contract(folder):
    version = store.open_current(folder)
    assert version.read("model.onnx") == (folder / "v1" / "model.onnx").read_bytes()
    assert code_of(version.read, "MODEL_CARD.md") == "invalid_model"
    (folder / "v1" / "model.onnx").write_bytes(b"cut")
    assert code_of(version.read, "model.onnx") == "invalid_model"
    (folder / "v1" / "model.onnx").unlink()
    assert code_of(version.read, "model.onnx") == "invalid_model"


def test_a_missing_model_names_those_that_are_there(folder):
    with pytest.raises(TwinlensError) as caught:
        store.open_current(folder.parent / "clothing")
    assert caught.value.code == "model_not_found"
    assert models.NAME in caught.value.detail


@pytest.mark.parametrize("text", ["", "../v1", "a/b", ".hidden", "v1\nv2", "x" * 65])
def test_current_must_hold_a_version_name(folder, text):
    (folder / "current").write_text(text)
    assert code_of(store.current_version, folder) == "model_not_found"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "current", "-x", "ü", "x" * 65])
def test_names_that_cannot_be_a_version(name):
    assert code_of(store.check_version_name, name) == "invalid_arguments"


def test_a_version_must_lie_in_the_folder_of_its_name(folder):
    (folder / "v1").rename(folder / "v9")
    assert code_of(store.open_version, folder / "v9") == "invalid_contract"
    assert code_of(store.open_version, folder / "v1") == "model_not_found"


def test_publish_never_replaces_a_version(folder, tmp_path):
    staged = tmp_path / "staged"
    staged.mkdir()
    assert code_of(store.publish, staged, folder, "v1") == "already_exists"
    assert store.publish(staged, folder, "v3") == folder / "v3"
    assert not staged.exists()
    assert code_of(store.set_current, folder, "v3") == "model_not_found"  # it has no contract
    assert store.current_version(folder) == "v1"


def test_a_write_is_all_or_nothing(tmp_path, monkeypatch):
    file = tmp_path / "sub" / "file"
    store.write_atomically(file, b"old")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644

    def fail(_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        store.write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert [entry.name for entry in file.parent.iterdir()] == ["file"]


def test_the_digest_is_of_the_contracts_bytes(folder):
    version = store.open_current(folder)
    document = json.loads(version.contract_bytes)
    document["temperature"] = 2.0
    (folder / "v1" / "contract.json").write_text(json.dumps(document))
    assert store.open_current(folder).digest != version.digest


def test_a_model_or_one_of_its_versions_is_opened(tmp_path):
    folder = models.write(tmp_path)
    models.write(tmp_path, version="v2")
    assert store.open_model(folder).contract.model.version == "v2"
    assert store.open_model(folder / models.VERSION).contract.model.version == models.VERSION
    with pytest.raises(TwinlensError) as caught:
        store.open_model(tmp_path / "nothing")
    assert caught.value.code == "model_not_found"
