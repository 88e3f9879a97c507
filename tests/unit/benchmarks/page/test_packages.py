"""The peers' packages are installed once, whole or not at all, and by what the lock file says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.page import packages
from benchmarks.page.plan import PEERS
from benchmarks.page.sites import PEERS_PAGES, ours, peer, query
from benchmarks.results import ROOT
from twinlens.errors import TwinlensError

INSTALLS = """#!/bin/sh
echo "$@" >>"{log}"
mkdir -p node_modules/onnxruntime-web
"""
FAILS = """#!/bin/sh
mkdir -p node_modules
echo "npm error code ENOTFOUND"
exit 1
"""


def npm(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program in npm's place."""
    path = folder / "npm"
    path.write_text(script)
    path.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(path) if name == "npm" else None)


def test_they_are_installed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm(tmp_path, INSTALLS.format(log=tmp_path / "log"), monkeypatch)
    cache = tmp_path / "cache"
    first, second = packages.prepare(cache), packages.prepare(cache)
    assert first == second and (first / "onnxruntime-web").is_dir()
    assert (first.parent / "package-lock.json").read_bytes() == (PEERS_PAGES / "package-lock.json").read_bytes()
    assert (tmp_path / "log").read_text() == "ci --ignore-scripts --omit=optional --no-audit --no-fund\n"
    assert list(cache.iterdir()) == [first.parent]


def test_nothing_is_kept_of_packages_that_cannot_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm(tmp_path, FAILS, monkeypatch)
    with pytest.raises(TwinlensError, match="npm error code ENOTFOUND") as caught:
        packages.prepare(tmp_path / "cache")
    assert caught.value.code == "download_failed"
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(TwinlensError, match="make setup") as caught:
        packages.prepare(tmp_path)
    assert caught.value.code == "missing_requirement"


def test_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm(tmp_path, FAILS, monkeypatch)
    monkeypatch.setattr(packages, "_FREE_GIGABYTES", 1e9)
    with pytest.raises(TwinlensError, match="GB free") as caught:
        packages.prepare(tmp_path / "cache")
    assert caught.value.code == "cannot_write"


def test_the_lock_file_names_every_package_and_no_place_to_get_it_from() -> None:
    lock = json.loads((PEERS_PAGES / "package-lock.json").read_bytes())
    package = json.loads((PEERS_PAGES / "package.json").read_bytes())
    assert lock["packages"][""]["dependencies"] == package["dependencies"]
    assert all("resolved" not in entry for entry in lock["packages"].values())
    found = packages.versions()
    assert {name: found[name] for name in package["dependencies"]} == package["dependencies"]
    assert (PEERS_PAGES / ".npmrc").read_text() == (ROOT / "web" / ".npmrc").read_text()


@pytest.mark.parametrize("name", PEERS)
def test_a_peers_page_loads_nothing_from_elsewhere(name: str, tmp_path: Path) -> None:
    sources = [*(PEERS_PAGES / name).iterdir(), *(PEERS_PAGES / "shared").iterdir()]
    assert {"index.html", "page.js", "show.js"} <= {path.name for path in sources}
    assert [path.name for path in sources if "//" in path.read_text().replace("// ", "")] == []
    mounts = peer(name, tmp_path / "node_modules", tmp_path / "weights")
    assert mounts["/"] == PEERS_PAGES / name and mounts["/model/"] == tmp_path / "weights"


def test_transformers_brings_its_own_webassembly(tmp_path: Path) -> None:
    assert peer("transformers_js", tmp_path, tmp_path)["/wasm/"] == tmp_path / "onnxruntime-web" / "dist"
    own = tmp_path / "@huggingface" / "transformers" / "node_modules" / "onnxruntime-web" / "dist"
    own.mkdir(parents=True)
    assert peer("transformers_js", tmp_path, tmp_path)["/wasm/"] == own


def test_pages_are_told_of_threads_in_their_own_way() -> None:
    assert [query(name, threads=None) for name in ("twinlens", *PEERS)] == 4 * [""]
    assert query("twinlens", threads=1) == query("twinlens", threads=2) == "?backend=wasm"
    assert (query("litert_js", threads=1), query("litert_js", threads=2)) == ("", "?threads=2")


def test_a_page_that_was_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.page.sites.PAGE", tmp_path)
    with pytest.raises(TwinlensError, match="make page") as caught:
        ours(tmp_path)
    assert caught.value.code == "missing_page"
