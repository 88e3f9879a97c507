"""The environment is made by a stand-in for uv: tested is when it is made, and what is said when it cannot be."""

import shutil
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from training.official import environment
from training.official.environment import default_cache, find_python, prepare, size_of
from twinlens.errors import TwinlensError

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
    # uv is looked for beside the interpreter, and the interpreter must be one that TensorFlow has packages for.
    monkeypatch.setattr(environment, "PYTHONS", (sys.version_info[:2],))
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    return write


def test_it_is_made_once(uv, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = uv()
    made = prepare(tmp_path / "cache")
    assert made.folder.parent == tmp_path / "cache"
    assert made.python.is_file()
    assert "Installed 75 packages" in capsys.readouterr().err
    first, second = log.read_text().splitlines()
    assert first.startswith("venv ") and first.endswith(str(made.folder))
    assert second == f"pip install --python {made.python} --require-hashes -r {environment.REQUIREMENTS}"
    assert prepare(tmp_path / "cache") == made
    assert len(log.read_text().splitlines()) == 2


def test_one_that_was_cut_off_is_made_anew(uv, tmp_path: Path) -> None:
    made = prepare(tmp_path / "cache")
    (made.folder / environment._MARKER).unlink()
    (made.folder / "left").write_text("half of it")
    assert prepare(tmp_path / "cache").folder == made.folder
    assert not (made.folder / "left").exists()


def test_one_whose_python_is_gone_is_made_anew(uv, tmp_path: Path) -> None:
    log = uv()
    made = prepare(tmp_path / "cache")
    made.python.unlink()
    made.python.symlink_to(tmp_path / "removed")
    assert prepare(tmp_path / "cache").python.is_file()
    assert len(log.read_text().splitlines()) == 4


def test_other_pins_are_another_environment(uv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(tmp_path / "cache")
    changed = tmp_path / "convert.txt"
    changed.write_text("tensorflow==2.20.0\n")
    monkeypatch.setattr(environment, "REQUIREMENTS", changed)
    assert prepare(tmp_path / "cache").folder != first.folder
    assert first.python.is_file()


def test_without_network_nothing_is_left_and_the_installer_is_quoted(uv, tmp_path: Path) -> None:
    uv("echo 'error: Request failed after 3 retries'; echo '  Caused by: dns error'; exit 2")
    with pytest.raises(TwinlensError, match=r"needs the network.*`uv pip` said: .*Caused by: dns error") as caught:
        prepare(tmp_path / "cache")
    assert caught.value.code == "download_failed"
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_disk_that_is_full_on_the_way(uv, tmp_path: Path) -> None:
    uv("echo 'Failed to write: No space left on device (os error 28)'; exit 2")
    with pytest.raises(TwinlensError, match=r"is full.*--cache") as caught:
        prepare(tmp_path / "cache")
    assert caught.value.code == "cannot_write"


def test_a_disk_with_too_little_room_is_named_before_anything_is_fetched(
    uv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = uv()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1.5e9))
    with pytest.raises(TwinlensError, match=r"needs 4 GB, and .*cache has only 1\.5 GB free.*--cache") as caught:
        prepare(tmp_path / "cache")
    assert caught.value.code == "cannot_write"
    assert log.read_text() == ""


def test_two_at_once_make_it_once(uv, tmp_path: Path) -> None:
    log = uv("sleep 0.3")
    threads = [threading.Thread(target=prepare, args=(tmp_path / "cache",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.read_text().splitlines()) == 2


def test_a_python_too_new_for_tensorflow_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "sys", SimpleNamespace(version_info=(3, 14, 0), executable="python3.14"))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(TwinlensError, match=r"This is Python 3\.14, but TensorFlow 2\.19.*3\.9 to 3\.12") as caught:
        find_python()
    assert caught.value.code == "missing_requirement"


def test_an_older_python_beside_it_is_used_if_it_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A stand-in of a version manager that has no 3.12, and a 3.11 that works.
    for name, body in (("python3.12", "exit 127"), ("python3.11", "echo 3.11")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(environment, "sys", SimpleNamespace(version_info=(3, 13, 0), executable="python3.13"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert find_python() == (str(tmp_path / "python3.11"), "3.11")


def test_pip_serves_where_there_is_no_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "sys", SimpleNamespace(executable=str(tmp_path / "python")))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    venv, pip = environment._commands("python3.11", tmp_path / "made")
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
    with pytest.raises(TwinlensError, match="--cache"):
        default_cache()


def test_what_python_compiled_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "package" / "__pycache__").mkdir(parents=True)
    (tmp_path / "package" / "code.py").write_bytes(b"x" * 1_500_000)
    (tmp_path / "package" / "__pycache__" / "code.pyc").write_bytes(b"x" * 1_000_000)
    assert size_of(tmp_path) == 1.5


def test_programs_are_started_without_anything_of_our_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("VIRTUAL_ENV", "/ours")
    variables = environment.Environment(tmp_path, 1.0, "3.11").variables()
    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & variables.keys()
    assert variables["PATH"].split(":")[0] == str(tmp_path / "bin")  # where onnxsim is


def test_the_pins_are_the_ones_that_were_tried() -> None:
    pinned = dict(
        line.split(" ")[0].split("==") for line in environment.REQUIREMENTS.read_text().splitlines() if "==" in line
    )
    wanted = {"tensorflow": "2.19.0", "tensorflowjs": "4.22.0", "onnx2tf": "1.28.8", "protobuf": "5.29.6"}
    assert {name: pinned[name] for name in wanted} == wanted
    assert int(pinned["setuptools"].split(".")[0]) < 81
    assert {"onnx-graphsurgeon", "sng4onnx", "psutil", "ai-edge-litert", "onnxruntime", "onnxsim"} <= pinned.keys()
