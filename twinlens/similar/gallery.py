"""The compact gallery: an index in one file, 8 bits a number, that the page searches on the device.

A file is, in this order:

- the eight bytes ``TWGALL01``, and the length of the header in bytes, uint32;
- the header, JSON in UTF-8, with spaces at its end up to a multiple of 16 bytes of the file: :class:`Header`;
- sections that each begin at a multiple of 16 bytes, zeros between them; all numbers are little-endian:
  ``mean`` float32 (size), ``axis_scales`` float32 (dimensions), ``axes`` int16 (dimensions, size), ``scales`` float32
  (dimensions), ``codes`` int8 (photos, stride), and ``photos``: gzipped JSON, an array of ``[id, label or null]``.

The vector of an embedding is ``unit(axes * axis_scales @ (unit(embedding) - mean))``; that of a photo is ``codes *
scales``, of which the numbers from ``dimensions`` to ``stride`` are 0. A question is asked in integers, so that it has
the same answer everywhere: its vector times ``scales``, divided by the largest magnitude and times 32,767, rounded to
the nearest (half upwards); the score of a photo is the inner product of those integers with its codes, scaled back.
``web/src/similar/`` is the port of what reads here.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twinlens.contract import Sha256
from twinlens.errors import TwinlensError
from twinlens.folders import readable
from twinlens.similar.folder import Model, Photo
from twinlens.similar.index import Index
from twinlens.similar.options import DIMENSIONS
from twinlens.similar.precision import nearest, recall
from twinlens.similar.projection import Floats, Projection, unit
from twinlens.store import write_atomically

MOST_BYTES: Final = 130
"""Of a file for each photo, from 100,000 photos on; a smaller gallery may be as large as one of 100,000."""
_MAGIC: Final = b"TWGALL01"
_ALIGNED: Final = 16
_FULL: Final = 100_000
_ASKED: Final = 500
_NEAREST: Final = 10
_INT16: Final = 32_767
_INT8: Final = 127
_SECTIONS: Final[dict[str, str]] = {
    "mean": "<f4",
    "axis_scales": "<f4",
    "axes": "<i2",
    "scales": "<f4",
    "codes": "<i1",
    "photos": "<u1",
}


class Section(BaseModel):
    """Where a section lies, in bytes from the beginning of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    offset: int
    bytes: int


class Header(BaseModel):
    """What stands first in a gallery."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    format: Literal["twinlens-gallery/1"] = "twinlens-gallery/1"
    model: Model
    """The model whose embeddings it holds, and can be asked with."""
    embedding_size: Annotated[int, Field(ge=1)]
    dimensions: Annotated[int, Field(ge=1, le=DIMENSIONS)]
    stride: Annotated[int, Field(ge=1)]
    """Bytes from one photo's codes to the next one's."""
    photos: Annotated[int, Field(ge=0)]
    recall_at_10: float | None
    """Share of the ten nearest by the index's own vectors that the gallery gives; absent for fewer than 20 photos."""
    sha256: Sha256
    """Of everything behind the header."""
    sections: dict[str, Section]


@dataclass(frozen=True)
class Gallery:
    """A gallery that was read."""

    header: Header
    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    scales: NDArray[np.float64]
    codes: NDArray[np.int8]
    photos: list[tuple[str, str | None]]
    """Id and label of each."""

    def question(self, embedding: NDArray[np.floating]) -> tuple[NDArray[np.int16], float]:
        """An embedding, of shape (size,), as int16 (dimensions,), and what a score in them is multiplied by."""
        vector = _direction(self.axes @ (_direction(embedding) - self.mean)) * self.scales
        largest = float(np.abs(vector).max())
        if largest == 0:
            return np.zeros(len(vector), np.int16), 0.0
        integers = np.floor(vector * (_INT16 / largest) + 0.5)
        return integers.astype(np.int16), largest / _INT16

    def search(self, embedding: NDArray[np.floating], k: int) -> list[tuple[int, float]]:
        """The nearest photos, nearest first, equal ones in their order: each one's place, and its score."""
        integers, factor = self.question(embedding)
        sums = self.codes[:, : len(integers)].astype(np.int32) @ integers.astype(np.int32)
        best = np.argsort(-sums, kind="stable")[:k]
        return [(int(place), float(sums[place] * factor)) for place in best]


class Written(NamedTuple):
    """A gallery's file: its size in bytes, its digest, what it holds."""

    bytes: int
    sha256: str
    header: Header


def write_gallery(index: Index, out: Path, dimensions: int | None = None) -> Written:
    """Write an index as a gallery.

    :param index: with a projection, or embeddings of at most 128 numbers.
    :param dimensions: of its vectors, at most those of the index, the first of which say most; by default as many as
        leave a file of 100,000 photos at 13 MB.
    :raises TwinlensError: ``invalid_arguments`` if the index has no projection and needs one, or fewer dimensions, or
        the photos' names leave no room for any.
    """
    whole = index.projection
    if whole.dimensions > DIMENSIONS:
        raise TwinlensError(
            "invalid_arguments",
            f"The index has no projection, and a gallery has at most {DIMENSIONS} dimensions: build it again with one, "
            "which takes some photos that differ.",
        )
    if dimensions is not None and not 1 <= dimensions <= whole.dimensions:
        raise TwinlensError(
            "invalid_arguments", f"The index has {whole.dimensions} dimensions: --dimensions is from 1 to as many."
        )
    vectors = index.vectors()
    photos = [photo for photo in index.photos if not photo.removed]
    wanted = dimensions or fitting(photos, whole)
    data, header = encode(index.description.model, whole, vectors, photos, wanted)
    write_atomically(out, data)
    return Written(len(data), hashlib.sha256(data).hexdigest(), header)


def encode(
    model: Model, projection: Projection, vectors: Floats, photos: Sequence[Photo], dimensions: int
) -> tuple[bytes, Header]:
    """A gallery as the bytes of its file, and its header.

    :param vectors: float32 (photos, dimensions or more), of length 1.
    """
    axes = projection.axes if projection.axes is not None else np.eye(projection.size, dtype=np.float32)
    axes = axes[:dimensions]
    axis_scales = (np.abs(axes).max(axis=1) / _INT16).astype(np.float32)
    short = unit(vectors[:, :dimensions])
    scales = (np.abs(short).max(axis=0, initial=0) / _INT8).astype(np.float32)
    scales[scales == 0] = 1
    stride = _aligned(dimensions)
    codes = np.zeros((len(photos), stride), np.int8)
    codes[:, :dimensions] = np.rint(short / scales)
    parts = {
        "mean": projection.mean.astype("<f4").tobytes(),
        "axis_scales": axis_scales.astype("<f4").tobytes(),
        "axes": np.rint(axes / axis_scales[:, None]).astype("<i2").tobytes(),
        "scales": scales.astype("<f4").tobytes(),
        "codes": codes.tobytes(),
        "photos": _names(photos),
    }
    body = b"".join(part + bytes(-len(part) % _ALIGNED) for part in parts.values())
    header = Header(
        model=model,
        embedding_size=projection.size,
        dimensions=dimensions,
        stride=stride,
        photos=len(photos),
        recall_at_10=_recall(vectors, codes[:, :dimensions], scales),
        sha256=hashlib.sha256(body).hexdigest(),
        sections={},
    )
    lengths = {name: len(part) for name, part in parts.items()}
    # Where the sections lie hangs on how long the header is, and that on the numbers that say so.
    begin = 0
    while True:
        header = header.model_copy(update={"sections": _sections(lengths, begin)})
        text = json.dumps(header.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-(len(_MAGIC) + 4 + len(text)) % _ALIGNED)
        if len(_MAGIC) + 4 + len(text) == begin:
            return _MAGIC + struct.pack("<I", len(text)) + text + body, header
        begin = len(_MAGIC) + 4 + len(text)


def decode(data: bytes, digest: str | None = None) -> Gallery:
    """Read a gallery.

    :param digest: of the contract of the model that is to ask it.
    :raises TwinlensError: ``invalid_index`` if it is none or damaged, ``index_mismatch`` if it is of another model.
    """
    try:
        if data[:8] != _MAGIC:
            raise ValueError("it does not begin like one")
        (length,) = struct.unpack_from("<I", data, 8)
        header = Header.model_validate_json(data[12 : 12 + length], strict=True)
        if hashlib.sha256(data[12 + length :]).hexdigest() != header.sha256:
            raise ValueError("it was changed or cut off")
        arrays: dict[str, NDArray[Any]] = {}
        for name, dtype in _SECTIONS.items():
            section = header.sections[name]
            arrays[name] = np.frombuffer(data[section.offset : section.offset + section.bytes], dtype)
        if header.sections != _sections(_lengths(header), 12 + length) or header.stride != _aligned(header.dimensions):
            raise ValueError("its parts do not belong together")
        # Exact in float64: the page, which has no other floating point, computes the same.
        double = {name: arrays[name].astype(np.float64) for name in ("mean", "axis_scales", "axes", "scales")}
        axes = double["axes"].reshape(header.dimensions, header.embedding_size) * double["axis_scales"][:, None]
        codes = arrays["codes"].reshape(header.photos, header.stride)
        photos = [(str(name), label) for name, label in json.loads(gzip.decompress(arrays["photos"].tobytes()))]
        if len(photos) != header.photos:
            raise ValueError("its list of photos is another one's")
    except (ValueError, TypeError, KeyError, struct.error, OSError, EOFError, zlib.error) as error:
        why = "its header is damaged" if isinstance(error, ValidationError) else error
        raise TwinlensError("invalid_index", f"This is no gallery that can be read: {why}. Write it again.") from None
    if digest is not None and header.model.digest != digest:
        made = header.model
        raise TwinlensError(
            "index_mismatch",
            f"The gallery was made with model {made.name} {made.version}, whose embeddings are others. Write it again.",
        )
    return Gallery(header, double["mean"], axes, double["scales"], codes, photos)


def read_gallery(path: Path, digest: str | None = None) -> Gallery:
    """Read a gallery's file.

    :raises TwinlensError: as :func:`decode` does.
    """
    return decode(read_bytes(path), digest)


def read_bytes(path: Path) -> bytes:
    """The bytes of what is to be a gallery.

    :raises TwinlensError: ``invalid_index`` if they cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise TwinlensError("invalid_index", f"{readable(path)} cannot be read ({error.strerror}).") from None


def _direction(vector: NDArray[np.floating]) -> NDArray[np.float64]:
    """A vector of length 1, in double precision; of nothing but zeros: zeros."""
    double = np.asarray(vector, np.float64)
    length = float(np.sqrt(double @ double))
    return double / length if length > 0 else double


def fitting(photos: Sequence[Photo], projection: Projection) -> int:
    """As many dimensions as fit into the size that a file may have: all, or some sixteens.

    :raises TwinlensError: ``invalid_arguments`` if none do.
    """
    names = len(_names(photos))
    most = MOST_BYTES * max(len(photos), _FULL)
    whole = projection.dimensions
    dimensions: int
    for dimensions in (whole, *range((whole - 1) // _ALIGNED * _ALIGNED, 0, -_ALIGNED)):
        codes = _aligned(dimensions) * len(photos)
        # 2 kB: the header, and the zeros between sections.
        if codes + dimensions * (2 * projection.size + 8) + 4 * projection.size + names + 2048 <= most:
            return dimensions
    raise TwinlensError(
        "invalid_arguments",
        f"The photos' names alone take {names / 1e6:.1f} MB of the {most / 1e6:.1f} MB that the file may have. Shorten "
        "them, or say --dimensions, which makes it as large as it is.",
    )


def _aligned(bytes_: int) -> int:
    """The next multiple of what everything is aligned to."""
    return -(-bytes_ // _ALIGNED) * _ALIGNED


def _names(photos: Sequence[Photo]) -> bytes:
    listed = [[photo.id, photo.label] for photo in photos]
    return gzip.compress(json.dumps(listed, ensure_ascii=False, separators=(",", ":")).encode(), mtime=0)


def _lengths(header: Header) -> dict[str, int]:
    """Bytes of each section, by the numbers of the header."""
    size, dimensions = header.embedding_size, header.dimensions
    return {
        "mean": 4 * size,
        "axis_scales": 4 * dimensions,
        "axes": 2 * dimensions * size,
        "scales": 4 * dimensions,
        "codes": header.photos * header.stride,
        "photos": header.sections["photos"].bytes,
    }


def _sections(lengths: dict[str, int], begin: int) -> dict[str, Section]:
    """Where sections lie of which the first begins there."""
    found = {}
    for name, length in lengths.items():
        found[name] = Section(offset=begin, bytes=length)
        begin += _aligned(length)
    return found


def _recall(vectors: Floats, codes: NDArray[np.int8], scales: Floats) -> float | None:
    """What 8 bits, and dimensions that are left out, cost."""
    if len(vectors) < 2 * _NEAREST:
        return None
    asked = np.linspace(0, len(vectors) - 1, min(_ASKED, len(vectors))).astype(np.intp)
    exact = nearest(vectors[asked], vectors, _NEAREST, asked)
    stored = codes * scales
    return recall(nearest(unit(vectors[asked, : codes.shape[1]]), stored, _NEAREST, asked), exact)
