"""The files of a folder of photos: which there are, and what is in them, each read once.

Whatever lies in a stranger's folder must end up either as a photo or, with the reason, among what is left out: links
that lead in circles, pipes that never end, films of gigabytes, photos of hundreds of megapixels.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import stat
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from training.progress import bar
from training.rules import Preprocessing, standard
from twinlens.contract import Rules
from twinlens.decode import Decoded, Limits, decode_pixels, read_header, sniff
from twinlens.errors import TwinlensError
from twinlens.folders import is_folder, visible
from twinlens.inference import available_threads

LIMITS: Final = Limits()
LeftOut = list[tuple[Path, str]]
"""Files that are not used, and why."""
Read = Callable[[Path, bytes], object]
"""Takes a file's path and bytes, from several threads at once; raises a ``TwinlensError`` where they are no photo."""

_HEAD_BYTES: Final = 512  # as many as `sniff` looks at
# A photo takes 4 to 13 bytes a pixel while it is decoded, so all those of one moment take about a gigabyte at most.
_PIXELS_AT_ONCE: Final = 100_000_000
# The size does not matter here, so a JPEG may be decoded at the smallest scale.
_CHECK: Final = standard(1, 1)


class Content(NamedTuple):
    """What is in a file: a photo's digest, or why it is none."""

    sha256: str
    reason: str


class Room:
    """Space for a number of pixels, shared by threads; who finds too little left waits.

    :param size: pixels; what is larger takes the whole of it.
    """

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Hold so many pixels' space while the block runs."""
        pixels = min(pixels, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= pixels)
            self._free -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()


_ROOM: Final = Room(_PIXELS_AT_ONCE)


def below(folder: Path, left_out: LeftOut, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """The files in a folder and in all folders within, links followed.

    :param left_out: takes the links that lead back to a folder that they lie in.
    :param above: the folders, resolved, on the way to this one.
    :raises TwinlensError: as :func:`visible` does.
    """
    above = above | {folder.resolve()}
    for entry in visible(folder):
        if not is_folder(entry):
            yield entry
        elif entry.resolve() in above:
            left_out.append((entry, "it is a link to a folder that it lies in"))
        else:
            yield from below(entry, left_out, above)


def contents(files: Sequence[Path], read: Read | None = None) -> Iterator[Content]:
    """Read files once, in threads, and show how far it has come.

    :param read: what to do with each file's bytes; by default they are decoded, to know that they are a photo.
    :return: one for each file, in order.
    """
    quiet()

    def content(file: Path) -> Content:
        try:
            str(file).encode()
            if not stat.S_ISREG(file.stat().st_mode):
                return Content("", "it is no regular file")
            with file.open("rb") as stream:
                head = stream.read(_HEAD_BYTES)
                sniff(head)  # before a film is read into memory
                data = head + stream.read()
            (read or _check)(file, data)
        except TwinlensError as error:
            if error.code == "not_an_image":
                return Content("", "it does not begin like an image" if head else "it is empty")
            return Content("", error.detail)
        except UnicodeEncodeError:
            return Content("", "its name is not UTF-8")
        except OSError as error:
            return Content("", f"it cannot be read ({error.strerror})")
        return Content(hashlib.sha256(data).hexdigest(), "")

    with ThreadPoolExecutor(available_threads()) as pool, bar(len(files), "Reading photos") as progress:
        for found in pool.map(content, files):
            progress.update()
            yield found


def decode_in_turn(data: bytes, rules: Rules | Preprocessing) -> Decoded:
    """As :func:`twinlens.decode.decode`, but waiting where other threads are decoding too many pixels already."""
    header = read_header(data, rules, LIMITS)
    with _ROOM.taken(header.allocates):
        return decode_pixels(header, rules)


def quiet() -> None:
    """Keep Pillow from warning of damaged metadata: of 4000 photos it would name none."""
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _check(_file: Path, data: bytes) -> None:
    decode_in_turn(data, _CHECK)
