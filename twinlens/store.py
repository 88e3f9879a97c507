"""The folder of models: ``MODELS/NAME/VERSION/`` and ``MODELS/NAME/current``, which holds the version in use.

Server, page and command line all find a model through ``current``. A version is published by renaming a finished
folder into place and then replacing ``current`` in one step, so a reader sees the old version or the new one,
never half of either. All of it is on the disk before ``current`` names it, so that also a machine that loses its power
keeps a whole version in use.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from twinlens.contract import Contract, digest, parse
from twinlens.errors import TwinlensError

CURRENT: Final = "current"
CONTRACT: Final = "contract.json"
_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")


@dataclass(frozen=True)
class ModelVersion:
    """One version of one model on disk: its folder, its contract, and the digest that names it."""

    path: Path
    contract: Contract
    contract_bytes: bytes
    digest: str

    def read(self, path: str) -> bytes:
        """The bytes of one of the version's files, checked against the contract.

        :param path: path relative to the version's folder, as the contract lists it.
        :raises TwinlensError: ``invalid_model`` if the contract does not list it, it is missing, or its bytes
            are not those that the contract names.
        """
        listed = next((file for file in self.contract.files if file.path == path), None)
        if listed is None:
            raise TwinlensError("invalid_model", f"{self.path}: the contract lists no file {path!r}.")
        try:
            data = (self.path / path).read_bytes()
        except OSError as error:
            raise TwinlensError(
                "invalid_model", f"{self.path / path} cannot be read ({error.strerror}). Export the model again."
            ) from None
        if hashlib.sha256(data).hexdigest() != listed.sha256:
            raise TwinlensError(
                "invalid_model",
                f"{self.path / path} has {len(data)} bytes that are not those of the contract ({listed.bytes} bytes, "
                f"sha256 {listed.sha256[:12]}…). It was changed or cut off: export or copy the model again.",
            )
        return data


def check_version_name(version: str) -> str:
    """Give a version name back if it can name a folder on every system.

    :raises TwinlensError: ``invalid_arguments`` otherwise.
    """
    if not _VERSION.fullmatch(version) or version == CURRENT:
        raise TwinlensError(
            "invalid_arguments",
            f"{version!r} cannot name a version: use 1 to 64 letters, digits, '.', '_' or '-', not {CURRENT!r}.",
        )
    return version


def current_version(model: Path) -> str:
    """The version that ``current`` names.

    :param model: the model's folder, ``MODELS/NAME``.
    :raises TwinlensError: ``model_not_found`` if there is no such model, or it has no version in use.
    """
    try:
        version = (model / CURRENT).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        there = sorted(entry.parent.name for entry in model.parent.glob(f"*/{CURRENT}"))
        raise TwinlensError(
            "model_not_found",
            f"There is no model at {model} (no file {CURRENT!r} in it). "
            + (f"Models in {model.parent}: {', '.join(there)}." if there else f"{model.parent} holds no models.")
            + " Set TWINLENS_MODELS and TWINLENS_MODEL, or export one with: "
            "python -m training export RUN --out MODELS/NAME",
        ) from None
    if not _VERSION.fullmatch(version):
        raise TwinlensError("model_not_found", f"{model / CURRENT} holds {version!r}, which is no version name.")
    return version


def open_version(path: Path) -> ModelVersion:
    """Open the version that lies in one folder.

    :raises TwinlensError: ``model_not_found`` if there is none, ``invalid_contract`` if its contract is broken or
        names another folder.
    """
    try:
        data = (path / CONTRACT).read_bytes()
    except OSError:
        raise TwinlensError("model_not_found", f"There is no model version at {path}: it has no {CONTRACT}.") from None
    contract = parse(data)
    if contract.model.version != path.name:
        raise TwinlensError(
            "invalid_contract",
            f"{path / CONTRACT} is of version {contract.model.version!r}, but its folder is {path.name!r}. "
            "Give the folder its own name back.",
        )
    return ModelVersion(path, contract, data, digest(data))


def open_current(model: Path) -> ModelVersion:
    """Open the version in use of a model.

    :param model: the model's folder, ``MODELS/NAME``.
    :raises TwinlensError: as :func:`current_version` and :func:`open_version` do.
    """
    return open_version(model / current_version(model))


def open_model(path: Path) -> ModelVersion:
    """Open what someone points at: one version, or the version in use of a model.

    :param path: a version's folder, ``MODELS/NAME/VERSION``, or a model's, ``MODELS/NAME``.
    :raises TwinlensError: as :func:`current_version` and :func:`open_version` do.
    """
    return open_version(path) if (path / CONTRACT).is_file() else open_current(path)


def set_current(model: Path, version: str) -> None:
    """Make a version the one in use, in one step.

    :raises TwinlensError: ``model_not_found`` if there is no such version.
    """
    if not (model / version / CONTRACT).is_file():
        raise TwinlensError("model_not_found", f"There is no version {version!r} in {model}.")
    write_atomically(model / CURRENT, f"{version}\n".encode())
    _to_disk(model)


def publish(staged: Path, model: Path, version: str) -> Path:
    """Move a finished folder into place as a version; it is not in use until :func:`set_current`.

    :param staged: the finished folder, on the same file system as ``model``.
    :return: the version's folder.
    :raises TwinlensError: ``already_exists`` if the version is there.
    """
    target = model / check_version_name(version)
    if target.exists():
        raise TwinlensError("already_exists", f"{target} exists already. Give another --version, or remove it.")
    model.mkdir(parents=True, exist_ok=True)
    for folder, _, files in os.walk(staged):
        for name in files:
            _to_disk(Path(folder, name))
        _to_disk(Path(folder))
    staged.rename(target)
    _to_disk(model)
    return target


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, even after a crash.

    :param mode: who may read it; nobody but its owner may before it is all there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def end_at_line(log: IO[bytes]) -> None:
    """Cut off half a line at the end of a log, which a crash or a full disk has left: nothing came of it.

    :param log: opened for reading and appending, so what is written next begins a line.
    """
    log.seek(0)
    log.truncate(log.read().rfind(b"\n") + 1)


def _to_disk(path: Path) -> None:
    """Wait until a file's bytes, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
