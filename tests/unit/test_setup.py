"""The scripts that `make` sets itself up with say what is missing and what to do."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = {
    "demo",
    "test",
    "test-all",
    "setup",
    "page",
    "lint",
    "parity",
    "loadtest",
    "container",
    "readme",
    "lock",
    "clean",
    "help",
}
NUMPY = "numpy==2 \\\n    --hash=sha256:01\n    # via uv\n"
UV = "uv==1 \\\n    --hash=sha256:02\n    # via -r requirements/dev.in\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script alone, so that nothing is installed into the real one."""
    (tmp_path / "setup").mkdir()
    (tmp_path / "setup" / "venv").symlink_to(ROOT / "setup" / "venv")
    return tmp_path


def run_venv(checkout: Path, python: str) -> subprocess.CompletedProcess[str]:
    command = [checkout / "setup" / "venv"]
    environment = {**os.environ, "PYTHON": python}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def fake_python(folder: Path, version: str, *, ensurepip: bool = True) -> str:
    """A stand-in for another Python: it has a version, and perhaps no ensurepip, as Debian's may have none."""
    path = folder / "python-fake"
    (major, minor) = version.split(".")[:2]
    path.write_text(
        "#!/bin/sh\n"
        f'case "$*" in\n--version) echo "Python {version}" ;;\n'
        f"*version_info*) [ {major} -gt 3 ] || [ {minor} -ge 11 ] ;;\n"
        f"*ensurepip*) {'true' if ensurepip else 'false'} ;;\n"
        '*) echo "called with $*" ;;\nesac\n'
    )
    path.chmod(0o755)
    return str(path)


def test_an_old_python_is_named(checkout: Path) -> None:
    done = run_venv(checkout, fake_python(checkout, "3.10.13"))
    assert done.returncode == 2
    assert "is Python 3.10.13; Twinlens needs Python 3.11 or later" in done.stderr
    assert "PYTHON=" in done.stderr


def test_a_python_that_is_not_there(checkout: Path) -> None:
    done = run_venv(checkout, "python-that-is-not-there")
    assert done.returncode == 2
    assert "There is no python-that-is-not-there here" in done.stderr


def test_a_python_without_venv(checkout: Path) -> None:
    done = run_venv(checkout, fake_python(checkout, "3.12.1", ensurepip=False))
    assert done.returncode == 2
    assert "apt-get install python3-venv" in done.stderr


def test_a_recent_python_makes_the_environment(checkout: Path) -> None:
    done = run_venv(checkout, fake_python(checkout, "3.14.0"))
    assert (done.returncode, done.stdout) == (0, "called with -m venv --clear .venv\n")


@pytest.fixture
def installing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with setup/install, whose Python only notes what it is called with, on a PATH without uv."""
    (checkout / "setup" / "install").symlink_to(ROOT / "setup" / "install")
    (checkout / "requirements").mkdir()
    (checkout / "requirements" / "serve.txt").write_text(f"{NUMPY}uvicorn==2 \\\n    --hash=sha256:03\n")
    (checkout / "requirements" / "dev.txt").write_text(f"{NUMPY}{UV}uvicorn==2 \\\n    --hash=sha256:03\n")
    tools = checkout / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in ("dirname", "grep", "awk", "mktemp", "rm", "cat", "chmod"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    noting(tools / "python", 'while [ $# -gt 1 ]; do shift; done\n[ ! -f "$1" ] || cat "$1" >given')
    monkeypatch.setenv("PATH", str(tools))
    return checkout


def noting(program: Path, more: str = "") -> None:
    program.write_text(f'#!/bin/sh\necho "{program.name} $*" >>called\n{more}\n')
    program.chmod(0o755)


def installed(checkout: Path, what: str) -> list[str]:
    """What setup/install calls, without the options that are the same in every call."""
    done = subprocess.run([checkout / "setup" / "install", what], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    text = (checkout / "called").read_text()
    for same in ("--disable-pip-version-check --progress-bar on ", "--python .venv/bin/python ", "--require-hashes "):
        text = text.replace(same, "")
    return text.splitlines()


def test_what_serves_is_installed_by_pip_where_there_is_no_uv(installing: Path) -> None:
    assert installed(installing, "serve") == [
        "python -m pip install -r requirements/serve.txt",
        "python -m pip install --quiet --no-deps -e .",
    ]


def test_uv_is_installed_first_where_it_is_pinned_and_then_installs_the_rest(installing: Path) -> None:
    uv = installing / ".venv" / "bin" / "uv"
    python = uv.with_name("python")
    noting(installing / "a-uv")
    python.write_text(f"{python.read_text()}cat a-uv >{uv}\nchmod +x {uv}\n")
    first, *rest = installed(installing, "dev")
    assert first.startswith("python -m pip install -r ") and "requirements/dev.txt" not in first
    assert (installing / "given").read_text() == UV
    assert rest == ["a-uv pip install -r requirements/dev.txt", "a-uv pip install --quiet --no-deps -e ."]


def test_pip_installs_what_uv_cannot(installing: Path) -> None:
    noting(installing / ".venv" / "bin" / "uv", "exit 1")
    assert installed(installing, "serve") == [
        "uv pip install -r requirements/serve.txt",
        "python -m pip install -r requirements/serve.txt",
        "uv pip install --quiet --no-deps -e .",
        "python -m pip install --quiet --no-deps -e .",
    ]


def test_help_lists_every_target() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert set(re.findall(r"^  make (\S+)", done.stdout, re.MULTILINE)) >= TARGETS


def test_parity_without_photos_says_what_is_missing() -> None:
    # -o: as if everything were installed and built
    built = [".venv/.dev", "web/dist/index.html", "chromium", "setup"]
    arguments = [part for target in built for part in ("-o", target)]
    done = subprocess.run(["make", *arguments, "parity"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "make parity PHOTOS=folder" in done.stderr
