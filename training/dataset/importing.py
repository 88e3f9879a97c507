"""Bringing in photos that someone has already: a folder, a ZIP archive, or a data set that torchvision knows by name.

All of them are read, none is changed. What is in them becomes a photo of the data set or is listed with the reason why
not.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import torchvision
from PIL import Image
from pydantic import ValidationError

from training.dataset.archive import MOST_BYTES, entries, labelled, unpacked
from training.dataset.intake import About, Intake, check
from training.files import LeftOut, below, contents, quiet
from training.progress import bar
from twinlens.dataset import manifest
from twinlens.dataset.manifest import MANIFEST, Row, check_label
from twinlens.decode import sniff
from twinlens.errors import TwinlensError
from twinlens.folders import is_folder, readable, split_folders, visible
from twinlens.inference import available_threads

TORCHVISION: Final = "torchvision:"

_HEAD_BYTES: Final = 512  # as many as `sniff` looks at
# Photos that are in memory at once, and their bytes, unless a single one has more.
_AT_ONCE: Final = 64
_BYTES_AT_ONCE: Final = 256 << 20
# Arguments of torchvision's own splits, tried in this order. Some data sets have none.
_PARTS: Final[tuple[tuple[manifest.Split | None, dict[str, Any]], ...]] = (
    ("train", {"train": True}),
    ("test", {"train": False}),
    ("train", {"split": "train"}),
    ("train", {"split": "trainval"}),
    ("validation", {"split": "val"}),
    ("validation", {"split": "valid"}),
    ("test", {"split": "test"}),
    (None, {}),
)


class Item(NamedTuple):
    """A photo that may be taken in."""

    name: str
    """In the source."""
    about: About
    load: Callable[[], bytes]
    """Gives its bytes."""
    size: int
    """How many these are, about."""


@dataclass
class Imported:
    """What came of it."""

    new: int = 0
    known: int = 0
    """The same bytes were there under the same label, or have been relabelled or set aside since."""
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """Names in the source, and why they are not photos of the data set."""


def import_in_place(folder: Path, about: About) -> Imported:
    """Make a manifest of the photos that lie in a folder already; rows that are there are kept.

    :param folder: one folder per label, or splits with those in each.
    :param about: what is true of all of them; its label is not used.
    :raises TwinlensError: ``invalid_data`` if there is no such folder, or a label's name cannot be one.
    """
    _check_folder(folder)
    with manifest.changing(folder):
        intake = Intake(folder)
        result = Imported()
        files = [(path, about) for path, about in _labelled(folder, about, result) if not _listed(folder, path, intake)]
        for (path, known), content in zip(files, contents([path for path, _ in files]), strict=True):
            name = readable(path.relative_to(folder))
            if content.reason:
                result.left_out.append((name, content.reason))
                continue
            given = {**vars(known), "origin": known.origin or name}
            try:
                intake.add(Row(path=path.relative_to(folder).as_posix(), sha256=content.sha256, **given))
            except ValidationError as error:  # a backslash, mostly
                result.left_out.append((name, f"it cannot be listed ({error.errors()[0]['msg']}): rename it"))
                continue
            result.new += 1
        intake.save()
    return result


def import_folder(folder: Path, source: Path, about: About) -> Imported:
    """Copy the photos of a folder.

    :param folder: of the data set.
    :param source: as for :func:`import_in_place`; a manifest in it is followed, and photos that are not what it lists
        are left out.
    :raises TwinlensError: as :func:`import_in_place` does; ``invalid_arguments`` if one lies in the other.
    """
    _check_folder(source)
    if folder.resolve().is_relative_to(source.resolve()) or source.resolve().is_relative_to(folder.resolve()):
        raise TwinlensError(
            "invalid_arguments",
            f"{readable(source)} and {readable(folder)} lie in one another. To make a manifest of the photos that lie "
            "in a folder, give that folder alone.",
        )
    result = Imported()
    rows = manifest.read(source)
    found: list[tuple[Path, About, str | None]]
    if rows is None:
        found = [(path, known, None) for path, known in _labelled(source, about, result)]
    else:
        found = [(source / row.path, _about(row, about), row.sha256) for row in rows]

    def items() -> Iterator[Item]:
        for path, known, sha256 in found:
            name = readable(path.relative_to(source))
            origin = known.origin or readable(Path(source.resolve().name, name))
            load = partial(_read, path, sha256)
            yield Item(name, replace(known, origin=origin), load, _size(path))

    return _take_in(folder, len(found), items(), result)


def import_zip(folder: Path, source: Path, about: About) -> Imported:
    """Read the photos of a ZIP archive laid out as a folder of photos is, perhaps within one folder more.

    Nothing is unpacked to disk but checked photos under names of our own.

    :raises TwinlensError: ``invalid_data`` if it is no archive that can be read.
    """
    try:
        archive = zipfile.ZipFile(source)
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise TwinlensError("invalid_data", f"{readable(source)} cannot be read as a ZIP archive ({what}).") from None
    with archive:
        result = Imported()
        found = list(labelled(entries(archive, result.left_out), about, result.left_out))

        def items() -> Iterator[Item]:
            for info, known in found:
                origin = known.origin or f"{readable(Path(source.name))}/{info.filename}"
                load = partial(unpacked, archive, info)
                yield Item(info.filename, replace(known, origin=origin), load, info.file_size)

        return _take_in(folder, len(found), items(), result)


def import_torchvision(folder: Path, name: str, about: About, downloads: Path) -> Imported:
    """Download a classification data set that torchvision has, and take its pictures in as PNGs.

    :param name: torchvision's own, ``CIFAR10`` or ``Flowers102`` for example.
    :param downloads: folder that torchvision downloads to, and finds what it has downloaded before.
    :raises TwinlensError: ``invalid_arguments`` if torchvision has no such data set of pictures with one label each,
        ``download_failed`` if it cannot be fetched.
    """
    kind = getattr(torchvision.datasets, name, None)
    known = sorted(torchvision.datasets.__all__)
    if not inspect.isclass(kind) or name not in known or "download" not in inspect.signature(kind).parameters:
        raise TwinlensError(
            "invalid_arguments", f"torchvision has no data set {name!r} that it downloads. It has: {', '.join(known)}."
        )
    result = Imported()
    parts = _torchvision_parts(kind, name, downloads)
    labels = _torchvision_labels(parts[0][1])

    def items() -> Iterator[Item]:
        for split, part in parts:
            for index in range(len(part)):
                image, label = part[index]
                if not isinstance(image, Image.Image) or not isinstance(label, int):
                    raise TwinlensError("invalid_arguments", f"{name} does not hold pictures with one label each.")
                place = f"{split or 'all'}/{index}"
                origin = about.origin or f"{TORCHVISION}{name}/{place}"
                label_name = labels[label] if label < len(labels) else str(label)
                known = replace(about, label=label_name, split=about.split or split, origin=origin)
                yield Item(place, known, partial(_as_png, image), image.width * image.height * 4)

    return _take_in(folder, sum(len(part) for _, part in parts), items(), result)


def _take_in(folder: Path, count: int, items: Iterable[Item], result: Imported) -> Imported:
    """Read and decode in threads, write in turn."""
    quiet()

    def read(item: Item) -> tuple[str, About, bytes | str]:
        name, about, load, _ = item
        try:
            about = replace(about, label=check_label(about.label))
            data: bytes = load()
            check(data)
        except TwinlensError as error:
            return name, about, error.detail
        except ValueError as error:
            return name, about, str(error)
        except (OSError, zipfile.BadZipFile) as error:
            return name, about, f"it cannot be read ({error})"
        return name, about, data

    with manifest.changing(folder):
        intake = Intake(folder)
        try:
            with ThreadPoolExecutor(available_threads()) as pool, bar(count, "Importing") as progress:
                for block in _blocks(items):
                    for name, about, data in pool.map(read, block):
                        progress.update()
                        if isinstance(data, str):
                            result.left_out.append((name, data))
                        elif intake.put(data, about)[1]:
                            result.new += 1
                        else:
                            result.known += 1
        finally:
            intake.save()
    return result


def _read(path: Path, sha256: str | None) -> bytes:
    """The bytes of a file that begins like a photo: no film is read into memory, and nothing waits for a pipe.

    :param sha256: what they must have, where that is known.
    :raises OSError: if it is no regular file or cannot be read.
    :raises ValueError: if it is too large, or they are others.
    :raises TwinlensError: as :func:`twinlens.decode.sniff` does.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("no regular file")
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        sniff(head)
        data = head + stream.read(MOST_BYTES)
    if len(data) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB")
    if sha256 not in (None, hashlib.sha256(data).hexdigest()):
        raise ValueError("its bytes are not those that the manifest beside it lists")
    return data


def _blocks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """A few at a time, by number and by bytes: a pool reads ahead as far as it is let, and photos are large."""
    block: list[Item] = []
    held = 0
    for item in items:
        if block and (len(block) == _AT_ONCE or held + item.size > _BYTES_AT_ONCE):
            yield block
            block, held = [], 0
        block.append(item)
        held += item.size
    if block:
        yield block


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # found by whoever opens it


def _labelled(folder: Path, about: About, result: Imported) -> Iterator[tuple[Path, About]]:
    """The files of a folder with the label and split that they lie in; all others are listed."""
    left_out: LeftOut = []
    given = split_folders(folder)
    root = frozenset([folder.resolve()])
    for place, split in sorted(given.items()) if given else [(folder, about.split)]:
        for entry in visible(place):
            if is_folder(entry):
                label = _checked(entry.name, entry)
                for file in below(entry, left_out, root):
                    yield file, replace(about, label=label, split=split)  # type: ignore[arg-type]
            elif entry.name != MANIFEST:
                left_out.append((entry, "it lies in no label's folder"))
    if given:
        loose = [entry for entry in visible(folder) if entry not in given and entry.name != MANIFEST]
        left_out += [(entry, "it is in none of train/, validation/, test/") for entry in loose]
    result.left_out += [(readable(path.relative_to(folder)), reason) for path, reason in left_out]


def _torchvision_parts(kind: Any, name: str, downloads: Path) -> list[tuple[manifest.Split | None, Any]]:
    taken = inspect.signature(kind).parameters
    parts: list[tuple[manifest.Split | None, Any]] = []
    for split, arguments in _PARTS:
        if not arguments.keys() <= taken.keys() or split in dict(parts) or (split is None and parts):
            continue
        try:
            parts.append((split, kind(root=str(downloads), download=True, **arguments)))
        except (ValueError, TypeError):  # it has no split of that name, or wants to be told something else
            continue
        except (RuntimeError, OSError, ImportError) as error:
            raise TwinlensError(
                "download_failed", f"{name} could not be fetched ({error}). What arrived is in {downloads}."
            ) from None
    if not parts:
        raise TwinlensError("invalid_arguments", f"{name} cannot be taken in as it is: import its folder instead.")
    return parts


def _torchvision_labels(part: Any) -> list[str]:
    """Names of the labels; their numbers where it has none. A slash, as in FashionMNIST's, becomes a dash."""
    names = getattr(part, "classes", None) or getattr(part, "categories", None) or []
    return [str(name if isinstance(name, str) else name[0]).replace("/", "-") for name in names]


def _as_png(image: Image.Image) -> bytes:
    """A picture that torchvision has unpacked, or decoded, without loss."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _about(row: Row, about: About) -> About:
    """What a row says of its photo, and where it says nothing, what is true of all."""
    own = {name: getattr(row, name) for name in vars(about)}
    return About(**{name: value if value is not None else getattr(about, name) for name, value in own.items()})


def _listed(folder: Path, path: Path, intake: Intake) -> bool:
    return intake.has(path.relative_to(folder).as_posix())


def _checked(name: str, where: Path) -> str:
    try:
        return check_label(name)
    except ValueError as error:
        raise TwinlensError("invalid_data", f"{readable(where)}: {error}. Rename the folder.") from None


def _check_folder(folder: Path) -> None:
    if not is_folder(folder):
        raise TwinlensError("invalid_data", f"There is no folder {readable(folder)}.")
