"""What is true of the repository as a whole, whoever changes it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.readme import DOCUMENTS, filled
from benchmarks.results import RESULTS
from twinlens.decode import Limits
from twinlens.headers import CONTENT_SECURITY_POLICY

ROOT = Path(__file__).parents[2]
MOST_BYTES = 4_000_000
MOST_LINES = 400

# Put together here, so that this file does not hold what it forbids.
HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("debian", "org"))]
MACHINE_PATHS = ["/".join(("", *parts, "")) for parts in (("work", "main"), ("work", "shared"), ("root",))]


def tracked() -> list[Path]:
    command = ["git", "ls-files", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def texts() -> dict[str, str]:
    found = {}
    for path in tracked():
        data = path.read_bytes()
        if path.suffix not in (".bin", ".onnx") and b"\0" not in data[:8192]:
            found[path.relative_to(ROOT).as_posix()] = data.decode("utf-8")
    return found


@pytest.mark.parametrize("forbidden", [*HOSTS, *MACHINE_PATHS])
def test_no_file_names_a_registry_or_a_place_on_one_machine(forbidden: str) -> None:
    assert [name for name, text in texts().items() if forbidden in text] == []


def test_large_files_are_models() -> None:
    large = [path.relative_to(ROOT) for path in tracked() if path.stat().st_size > MOST_BYTES]
    assert [path for path in large if path.parts[0] != "bentos"] == []


def test_modules_stay_short_enough_to_read() -> None:
    modules = {name: text for name, text in texts().items() if name.endswith((".py", ".ts")) and ".gen." not in name}
    assert "twinlens/contract.py" in modules
    assert {name: lines for name, text in modules.items() if (lines := text.count("\n")) > MOST_LINES} == {}


def test_every_requirement_is_pinned_with_its_hash() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        pins = [line for line in lines if line and not line.lstrip().startswith("#")]
        assert pins and all("==" in line and "--hash=sha256:" in line for line in pins), path.name


def test_every_measurement_that_is_named_can_be_made() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(bench-[a-z]+):", makefile, re.MULTILINE))
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    named = {name for text in texts().values() for name in re.findall(r'(?:make |make_command\(")(bench-[a-z]+)', text)}
    assert "bench-page" in named
    assert named <= targets <= set(phony.split())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_generated_tables_are_up_to_date(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert filled(text, RESULTS) == text, "run `make readme`"


def test_the_page_and_the_server_have_one_content_security_policy() -> None:
    source = (ROOT / "web" / "src" / "policy.ts").read_text(encoding="utf-8")
    listed = re.findall(r'^  "(.*)",$', source.split("CONTENT_SECURITY_POLICY = [")[1].split("]")[0], re.MULTILINE)
    # A page cannot say for itself who may frame it.
    assert [*listed, "frame-ancestors 'none'"] == CONTENT_SECURITY_POLICY.split("; ")


@pytest.mark.parametrize("script", ["scripts/icons.py", "tests/golden/teach.py", "tests/golden/similar.py"])
def test_what_a_script_of_the_page_has_written_is_what_it_writes(script: str) -> None:
    command = [sys.executable, str(ROOT / "web" / script), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_refuses_the_sizes_that_the_server_refuses_by_default() -> None:
    limits = Limits()
    source = (ROOT / "web" / "src" / "decode.ts").read_text(encoding="utf-8").replace("_", "")
    assert f"const LIMITS = {{ jpeg: {limits.jpeg_pixels}, other: {limits.other_pixels} }};" in source
