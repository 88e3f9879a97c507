"""A saved image, read layer by layer: what the application's layers weigh, and which files lie in them."""

from __future__ import annotations

import gzip
import itertools
import json
import posixpath
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from twinlens.errors import TwinlensError

TOOLS: Final = ("gcc", "cc", "g++", "c++", "clang", "ld", "make", "cmake", "git")
"""Commands that have no place in an image that serves."""
MODULES: Final = ("torch", "torchvision", "tensorflow", "tensorflowjs", "onnx", "triton", "nvidia")
"""Python packages that have none. onnx is training's; ONNX Runtime is another package."""
_PACKAGES: Final = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class Layer:
    """One layer: its ``DiffID``, the bytes of its uncompressed tar, the command that made it, its regular files."""

    digest: str
    size: int
    made_by: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Image:
    """A saved image.

    :param config: its configuration: ``User``, ``Env``, ``Labels``, ``Healthcheck``, ...
    """

    config: dict[str, Any]
    layers: tuple[Layer, ...]


def read(path: Path) -> Image:
    """Read an image that ``docker save``, or ``buildah push`` to a ``docker-archive``, has written.

    :raises TwinlensError: ``container_failed`` if the file is not one.
    """
    try:
        with tarfile.open(path) as archive:
            manifest = json.load(_member(archive, "manifest.json"))[0]
            config = json.load(_member(archive, manifest["Config"]))
            digests: list[str] = config["rootfs"]["diff_ids"]
            made_by = [each.get("created_by", "") for each in config["history"] if not each.get("empty_layer")]
            names: list[str] = manifest["Layers"]
            # An image without a history, or with one that was cut, is an image all the same.
            made_by = [""] * (len(names) - len(made_by)) + made_by
            layers = tuple(
                _layer(_member(archive, name), digest, made)
                for name, digest, made in zip(names, digests, made_by, strict=True)
            )
    except (tarfile.TarError, LookupError, ValueError, OSError) as error:
        raise TwinlensError("container_failed", f"{path} cannot be read as a saved image: {error!r}") from None
    return Image(config["config"], layers)


def above(image: Image, base: Image) -> tuple[Layer, ...]:
    """The layers of an image less those of its base.

    :raises TwinlensError: ``container_failed`` if the image does not begin with the base's layers.
    """
    below = [layer.digest for layer in base.layers]
    if [layer.digest for layer in image.layers[: len(below)]] != below:
        raise TwinlensError("container_failed", "The image does not begin with the layers of the base that was named.")
    return image.layers[len(below) :]


def unwanted(layers: Sequence[Layer]) -> list[str]:
    """Files of :data:`TOOLS` and folders of :data:`MODULES` in some layers, the first file of each."""
    found: dict[str, str] = {}
    for file in (file for layer in layers for file in layer.files):
        folders = file.split("/")
        if folders[-1] in TOOLS and {"bin", "sbin"} & set(folders[:-1]):
            found.setdefault(folders[-1], file)
        for folder, package in itertools.pairwise(folders):
            if folder in _PACKAGES and package.removesuffix(".py") in MODULES:
                found.setdefault(package, file)
    return sorted(found.values())


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    # Older docker-archives have one layer's file stand for several, by symbolic links.
    member = archive.getmember(name)
    if member.issym():
        name = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file


def _layer(file: IO[bytes], digest: str, made_by: str) -> Layer:
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    with tempfile.TemporaryFile() as plain:
        shutil.copyfileobj(gzip.GzipFile(fileobj=file) if packed else file, plain)
        size = plain.tell()
        plain.seek(0)
        with tarfile.open(fileobj=plain) as layer:
            return Layer(digest, size, made_by, tuple(_files(layer)))


def _files(layer: tarfile.TarFile) -> Iterator[str]:
    for member in layer:
        if not member.isdir():
            yield posixpath.normpath(member.name)
