"""Write the site: the built page, and of one model's version in use what the page reads.

The folder is made under another name and renamed when it is whole, so that a host that serves it has the old site or
the new one. A folder that is there already is replaced only if everything in it was written here.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import twinlens
from twinlens import store
from twinlens.errors import TwinlensError
from twinlens.similar.gallery import decode, read_bytes
from twinlens.site.hosts import host_files

RECORD: Final = "site.json"
"""Lists what was written, so that it can be told from what somebody else put there."""
CARD: Final = "MODEL_CARD.md"
_INDEX: Final = "index.html"
_GENERATOR: Final = "twinlens site"
_BUILD: Final = re.compile(r'<script type="application/json" id="build">\{"id":"([0-9a-f]+)"')
_NO_GALLERY: Final = b'<meta name="twinlens-gallery" content="">'
"""The place that the page's build leaves for the address of a gallery."""
_NAMED: Final = 3


@dataclass(frozen=True)
class Site:
    """What was written: where, of which model, how many files, and their bytes together."""

    path: Path
    model: str
    version: str
    files: int
    size: int


def write_site(page: Path, model: Path, out: Path, gallery: Path | None = None) -> Site:
    """Write a folder that any host of static files can serve, under any path.

    :param page: folder of the built page.
    :param model: the model's folder, ``MODELS/NAME``; its version in use is taken.
    :param out: folder to write.
    :param gallery: file that ``twinlens index gallery`` wrote with that version, for the page to search.
    :raises TwinlensError: ``missing_page`` if the page was not built, or not whole, or by a version that searches no
        gallery; ``already_exists`` if ``out`` holds anything that was not written here; ``invalid_arguments`` if
        ``out`` lies where page or model do; ``invalid_index`` or ``index_mismatch`` for the gallery; what is wrong with
        the model, as :func:`twinlens.store.open_current` and ``ModelVersion.read`` do.
    :raises OSError: if it cannot be written.
    """
    out = out.resolve()
    for source in (page.resolve(), model.resolve()):
        if out == source or out in source.parents or source in out.parents:
            raise TwinlensError(
                "invalid_arguments", f"The site cannot lie at {out}: {source} is read to make it. Give another folder."
            )
    build = _build(page)
    version = store.open_current(model)
    _refuse_to_replace(out)
    named = version.contract.model
    contents = {**_of_page(page), **_of_model(version)}
    if gallery is not None:
        contents |= _of_gallery(gallery, version, contents[_INDEX])
    contents |= {name: text.encode() for name, text in host_files(named.version).items()}
    record = {
        "generator": _GENERATOR,
        "twinlens": twinlens.__version__,
        "page": build,
        "model": {"name": named.name, "version": named.version, "digest": version.digest},
        "files": sorted(contents),
    }
    contents[RECORD] = (json.dumps(record, indent=2) + "\n").encode()

    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent, ignore_cleanup_errors=True) as temporary:
        staged = Path(temporary) / "site"
        for name, data in contents.items():
            path = staged / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        _put_in_place(staged, out, Path(temporary))
    return Site(out, named.name, named.version, len(contents), sum(map(len, contents.values())))


def _build(page: Path) -> str:
    """The id of the page's build."""
    try:
        found = _BUILD.search((page / _INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TwinlensError("missing_page", f"There is no page at {page}: it was not built. Run: make page") from None
    if found is None or not (page / "sw.js").is_file():
        raise TwinlensError("missing_page", f"The page at {page} was not built whole. Build it again: make page")
    return found[1]


def _of_page(page: Path) -> dict[str, bytes]:
    files = sorted(path for path in page.rglob("*") if path.is_file())
    return {path.relative_to(page).as_posix(): path.read_bytes() for path in files}


def _of_model(version: store.ModelVersion) -> dict[str, bytes]:
    """The files that the page reads, each checked against the contract, and the card."""
    folder = version.contract.graphs.tfjs.path.rpartition("/")[0]
    name = version.contract.model.version
    found = {
        f"model/{store.CURRENT}": f"{name}\n".encode(),
        f"model/{name}/{store.CONTRACT}": version.contract_bytes,
    }
    for file in version.contract.files:
        if file.path.startswith(f"{folder}/"):
            found[f"model/{name}/{file.path}"] = version.read(file.path)
    if (version.path / CARD).is_file():
        found[f"model/{name}/{CARD}"] = (version.path / CARD).read_bytes()
    return found


def _of_gallery(gallery: Path, version: store.ModelVersion, page: bytes) -> dict[str, bytes]:
    """The gallery under the name of its digest, and the page told of it."""
    data = read_bytes(gallery)
    decode(data, version.digest)
    if _NO_GALLERY not in page:
        raise TwinlensError("missing_page", "The page was built before it could search a gallery. Run: make page")
    name = f"model/{version.contract.model.version}/gallery-{hashlib.sha256(data).hexdigest()}.bin"
    told = _NO_GALLERY.replace(b'content=""', f'content="{name}"'.encode())
    return {name: data, _INDEX: page.replace(_NO_GALLERY, told)}


def _refuse_to_replace(out: Path) -> None:
    """Raise unless ``out`` is not there, is empty, or holds a site and nothing else."""
    if not out.exists():
        return
    if not out.is_dir():
        raise TwinlensError("already_exists", f"{out} is a file. Give the name of a folder.")
    found = set(_files_in(out))
    if not found:
        return
    try:
        record = json.loads((out / RECORD).read_bytes())
        written = {RECORD, *record["files"]} if record["generator"] == _GENERATOR else set[str]()
    except (OSError, ValueError, KeyError, TypeError):
        written = set[str]()
    if not written:
        raise TwinlensError(
            "already_exists",
            f"{out} is there, and was not written by `twinlens site`. Give another folder, or remove it.",
        )
    strange = sorted(found - written)
    if strange:
        more = f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
        raise TwinlensError(
            "already_exists",
            f"{out} holds what `twinlens site` did not write: {', '.join(strange[:_NAMED])}{more}. Give another folder "
            "and copy the site from there, or move these away.",
        )


def _files_in(folder: Path) -> Iterator[str]:
    """Everything in a folder but folders, by path within it."""
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _put_in_place(staged: Path, out: Path, temporary: Path) -> None:
    """Rename the finished folder; the one that it replaces is back if that fails."""
    if not out.exists():
        staged.rename(out)
        return
    old = temporary / "old"  # removed with it
    out.rename(old)
    try:
        staged.rename(out)
    except BaseException:
        old.rename(out)
        raise
