"""The environment is made by a stand-in for uv: tested is when it is made, and what is said when it cannot be."""

import shutil
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from twinlens import isolated
from twinlens.errors import TwinlensError
from twinlens.isolated import Environment, Recipe, default_cache, prepare, running_python, size_of

UV = """#!/bin/sh
echo "$@" >> "{log}"
case "$1" in
venv) for folder; do :; done; mkdir -p "$folder/bin"; ln -s "{python}" "$folder/bin/python" ;;
pip) {install} ;;
esac
"""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a stand-in for uv that is found in place of the real one; its calls are lines of a log."""
    folder = tmp_path / "tools"
    folder.mkdir()
    log = folder / "log"
    log.touch()
    interpreter = sys.executable

    def write(install: str = "echo Installed 75 packages") -> Path:
        (folder / "uv").write_text(UV.format(log=log, python=interpreter, install=install))
        (folder / "uv").chmod(0o755)
        return log

    write()
    monkeypatch.setattr(sys, "executable", str(folder / "python"))  # uv is looked for beside the interpreter
    return write


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    pins = tmp_path / "pins.txt"
    pins.write_text("tensorflow==2.19.0\n")
    return Recipe("brew", "the brewer's environment", pins, "about 3 GB", 4.0)


def test_it_is_made_once(uv, recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = uv()
    said: list[str] = []
    made = prepare(recipe, tmp_path / "cache", say=said.append)
    assert made.folder.parent == tmp_path / "cache"
    assert made.folder.name.startswith("brew-")
    assert made.python.is_file()
    assert made.python_version == running_python().version
    assert said[0] == f"Making the brewer's environment in {made.folder} (once; about 3 GB)"
    assert "Installed 75 packages" in capsys.readouterr().err
    first, second = log.read_text().splitlines()
    assert first.startswith("venv ") and first.endswith(str(made.folder))
    assert second == f"pip install --python {made.python} --require-hashes -r {recipe.requirements}"
    assert prepare(recipe, tmp_path / "cache") == made
    assert len(log.read_text().splitlines()) == 2


def test_one_that_was_cut_off_is_made_anew(uv, recipe: Recipe, tmp_path: Path) -> None:
    made = prepare(recipe, tmp_path / "cache")
    (made.folder / isolated._MARKER).unlink()
    (made.folder / "left").write_text("half of it")
    assert prepare(recipe, tmp_path / "cache").folder == made.folder
    assert not (made.folder / "left").exists()


def test_one_whose_python_is_gone_is_made_anew(uv, recipe: Recipe, tmp_path: Path) -> None:
    log = uv()
    made = prepare(recipe, tmp_path / "cache")
    made.python.unlink()
    made.python.symlink_to(tmp_path / "removed")
    assert prepare(recipe, tmp_path / "cache").python.is_file()
    assert len(log.read_text().splitlines()) == 4


def test_other_pins_are_another_environment(uv, recipe: Recipe, tmp_path: Path) -> None:
    first = prepare(recipe, tmp_path / "cache")
    recipe.requirements.write_text("tensorflow==2.20.0\n")
    assert prepare(recipe, tmp_path / "cache").folder != first.folder
    assert first.python.is_file()


def test_without_network_nothing_is_left_and_the_installer_is_quoted(uv, recipe: Recipe, tmp_path: Path) -> None:
    uv("echo 'error: Request failed after 3 retries'; echo '  Caused by: dns error'; exit 2")
    wanted = r"^The brewer's environment could not be made.*needs the network.*`uv pip` said: .*Caused by: dns error"
    with pytest.raises(TwinlensError, match=wanted) as caught:
        prepare(recipe, tmp_path / "cache")
    assert caught.value.code == "download_failed"
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_disk_that_is_full_on_the_way(uv, recipe: Recipe, tmp_path: Path) -> None:
    uv("echo 'Failed to write: No space left on device (os error 28)'; exit 2")
    with pytest.raises(TwinlensError, match=r"is full.*--cache") as caught:
        prepare(recipe, tmp_path / "cache")
    assert caught.value.code == "cannot_write"


def test_a_disk_with_too_little_room_is_named_before_anything_is_fetched(
    uv, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = uv()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1.5e9))
    with pytest.raises(TwinlensError, match=r"needs 4 GB, and .*cache has only 1\.5 GB free.*--cache") as caught:
        prepare(recipe, tmp_path / "cache")
    assert caught.value.code == "cannot_write"
    assert log.read_text() == ""


def test_a_cache_that_cannot_be_made_is_named(uv, recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TwinlensError, match=r"file/cache cannot be made \(Not a directory\)") as caught:
        prepare(recipe, tmp_path / "file" / "cache")
    assert caught.value.code == "cannot_write"


def test_two_at_once_make_it_once(uv, recipe: Recipe, tmp_path: Path) -> None:
    log = uv("sleep 0.3")
    threads = [threading.Thread(target=prepare, args=(recipe, tmp_path / "cache")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.read_text().splitlines()) == 2


def test_pip_serves_where_there_is_no_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "sys", SimpleNamespace(executable=str(tmp_path / "python")))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    venv, pip = isolated._commands(tmp_path / "pins.txt", "python3.11", tmp_path / "made")
    assert venv == ["python3.11", "-m", "venv", str(tmp_path / "made")]
    assert pip[:4] == [str(tmp_path / "made" / "bin" / "python"), "-m", "pip", "install"]
    assert "--require-hashes" in pip


def test_the_cache_is_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_cache() == Path("/somewhere/twinlens")
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert default_cache() == Path("/home/someone/.cache/twinlens")


def test_a_user_without_a_home_is_told_of_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(TwinlensError, match=r"--cache.*XDG_CACHE_HOME"):
        default_cache()


def test_what_python_compiled_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "package" / "__pycache__").mkdir(parents=True)
    (tmp_path / "package" / "code.py").write_bytes(b"x" * 1_500_000)
    (tmp_path / "package" / "__pycache__" / "code.pyc").write_bytes(b"x" * 1_000_000)
    assert size_of(tmp_path) == 1.5


def test_programs_are_started_without_anything_of_our_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("VIRTUAL_ENV", "/ours")
    monkeypatch.setenv("HOME", "/home/someone")
    variables = Environment(tmp_path, 1.0, "3.11").variables()
    assert {"PYTHONPATH", "VIRTUAL_ENV", "HOME"} & variables.keys() == {"HOME"}
    assert variables["PATH"].split(":")[0] == str(tmp_path / "bin")
