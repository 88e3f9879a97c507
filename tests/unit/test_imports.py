"""Imports flow one way: twinlens <- service, training and the rest; torch is never where one serves."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# For each top-level package or module of ours: what of ours it may import. A folder that is not here is a mistake. A
# package within one has an entry where it may import something else.
ALLOWED = {
    "twinlens": {"twinlens"},
    "service": {"twinlens"},
    "training": {"training", "twinlens", "browser"},
    "browser": {"browser", "twinlens"},
    "benchmarks": {"benchmarks", "browser", "training", "twinlens"},
    # The server's benchmark runs the peers, and makes photos and golden answers as the load test does.
    "benchmarks.serving": {"benchmarks", "loadtest", "parity", "training", "twinlens"},
    # So does the page's, behind the load test's lines.
    "benchmarks.page": {"benchmarks", "browser", "loadtest", "parity", "training", "twinlens"},
    "parity": {"parity", "benchmarks", "browser", "twinlens"},
    "web": {"twinlens"},  # its golden files are made by the reference
    "loadtest": {"loadtest", "parity", "benchmarks", "browser", "twinlens"},  # its golden answers are the server's own
}
# Who may import what is heavy, or is not in the serving environment. Tests may import anything.
ONLY_IN = {
    "torch": {"training", "benchmarks", "loadtest.peers"},
    "torchvision": {"training", "benchmarks", "loadtest.peers"},
    "onnx": {"training", "benchmarks", "loadtest.peers"},
    "onnxscript": {"training"},
    "tensorflow": set[str](),
    "tensorflowjs": set[str](),
    "locust": {"loadtest"},
    "gevent": {"loadtest"},
    "fastapi": {"loadtest.peers"},
    "flask": {"loadtest.peers"},
    "litserve": {"loadtest.peers"},
    "playwright": {"browser", "parity", "loadtest", "training", "benchmarks.page", "benchmarks.similar"},
    "cleanlab": {"training"},
    "sklearn": {"training"},
    "pdqhash": {"training"},
    "httpx_retries": {"training"},
    "matplotlib": {"parity", "loadtest", "training", "benchmarks"},
    # Brought in by twinlens.extras when they are used.
    "faiss": {"benchmarks.similar"},
    "pyarrow": {"benchmarks.bulk"},
    "ray": set[str](),
}

# What only a server that takes feedback needs.
OF_FEEDBACK = {"sqlalchemy", "alembic", "limits", "psycopg"}


def python_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    return [Path(name) for name in listed if name and not name.startswith("tests/") and (ROOT / name).is_file()]


def imported(source: str) -> Iterator[str]:
    """The dotted names that a module imports, also those within functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their module in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def wrong_imports(module: str, source: str) -> list[str]:
    owner = max((owner for owner in ALLOWED if within(module, owner)), key=len)
    ours = {package.split(".")[0] for package in ALLOWED}
    wrong = []
    for name in imported(source):
        first = name.split(".")[0]
        allowed = any(within(name, package) for package in ALLOWED[owner])
        if (first in ours and not allowed) or not any(within(module, place) for place in ONLY_IN.get(first, {module})):
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("path", python_files(), ids=str)
def test_imports_flow_one_way(path: Path) -> None:
    owner = path.parts[0].removesuffix(".py")
    assert owner in ALLOWED, f"{owner} has no place in this test's table"
    assert wrong_imports(".".join(path.with_suffix("").parts), (ROOT / path).read_text(encoding="utf-8")) == []


def test_the_service_needs_only_bentoml_and_twinlens() -> None:
    # Starlette is what a BentoML service is made of, and what its own interface hands out.
    names = {name.split(".")[0] for name in imported((ROOT / "service.py").read_text(encoding="utf-8"))}
    assert names - set(sys.stdlib_module_names) <= {"bentoml", "starlette", "twinlens"}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("twinlens", "import torch"),
        ("twinlens", "def late():\n    from training.data import read"),
        ("twinlens", "from parity import photos"),
        ("service", "import browser.chromium"),
        ("browser", "import torch.nn"),
        ("loadtest", "from training.data import read"),
        ("loadtest.measure", "import torch"),
        ("benchmarks.train", "from loadtest.peers.catalogue import PEERS"),
        ("training", "import tensorflow"),
    ],
)
def test_a_wrong_import_is_seen(module: str, line: str) -> None:
    assert len(wrong_imports(module, line)) == 1


def test_a_right_import_is_not() -> None:
    assert wrong_imports("loadtest", "from twinlens.contract import Contract\nimport loadtest.users") == []
    assert wrong_imports("loadtest.peers.eager", "import torch") == []
    assert wrong_imports("benchmarks.serving.turn", "from loadtest.peers.catalogue import PEERS") == []


def test_serving_loads_no_training_library() -> None:
    modules = [
        ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for path in python_files()
        if path.parts[0] == "twinlens" and path.name not in ("__main__.py", "env.py")  # which Alembic alone can run
    ]
    code = (
        "import importlib, sys\n"
        "def loaded(names): return sorted(names & {name.split('.')[0] for name in sys.modules})\n"
        f"import service; print(loaded({OF_FEEDBACK!r}))\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"print(loaded({set(ONLY_IN)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["[]", "[]"]


def test_the_page_reads_only_json_from_outside_its_folder() -> None:
    sources = list((ROOT / "web" / "src").rglob("*.ts"))
    assert sources
    outside = []
    for path in sources:
        for target in re.findall(r"""(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]""", path.read_text(encoding="utf-8")):
            file = (path.parent / target.split("?")[0]).resolve()
            if not file.is_relative_to(ROOT / "web") and file.suffix != ".json":
                outside.append(f"{path.name}: {target}")
    assert outside == []
