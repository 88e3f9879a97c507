"""Classify files on this machine, by the very steps that the server takes.

Files are decoded in threads, some way ahead of the network, which runs them in batches. A file that cannot be answered
is reported like the others, and the rest goes on.
"""

from __future__ import annotations

import itertools
import json
import logging
import sys
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from twinlens.classifier import Answer, Classifier
from twinlens.decode import in_turn
from twinlens.errors import TwinlensError
from twinlens.inference import available_threads
from twinlens.settings import Settings

SUFFIXES: Final = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".avif"),
    *(".heic", ".heif", ".jxl"),  # not read, but said so rather than passed over
)
"""Names of files that are taken from a folder; a file that is named itself is taken whatever its name."""


class Result(NamedTuple):
    """What became of one file: an answer, or the error that says why there is none."""

    file: Path
    outcome: Answer | TwinlensError


def classify(paths: Sequence[Path], settings: Settings, *, top_k: int, as_json: bool) -> int:
    """Classify files and folders, and write the answers to standard output.

    :param paths: files, and folders that are searched for images with everything below them.
    :param top_k: how many labels at most.
    :param as_json: write one JSON object a line: ``file``, and ``predictions`` and ``model`` or ``error``.
    :return: the exit status: 1 if a file could not be answered, else 0.
    :raises TwinlensError: ``invalid_arguments`` if a path is not there or no folder holds an image, or what is wrong
        with the model.
    """
    files = find(paths)
    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what is wrong with a file is reported with its name
    warnings.filterwarnings("ignore", module=r"PIL\.")
    classifier = Classifier.current(settings)
    classifier.warm_up()
    failed = 0
    with tqdm(total=len(files), unit="file", file=sys.stderr, disable=len(files) < 2, mininterval=0.5) as progress:
        for result in answers(files, classifier, settings, top_k):
            failed += isinstance(result.outcome, TwinlensError)
            if as_json:
                _write(json.dumps(_as_json(result), ensure_ascii=False), sys.stdout)
            elif isinstance(result.outcome, TwinlensError):
                _write(f"{result.file}: {result.outcome.code}: {result.outcome}", sys.stderr)
            else:
                _write(_as_text(result.file, result.outcome), sys.stdout)
            progress.update()
    sys.stdout.flush()
    return 1 if failed else 0


def find(paths: Sequence[Path]) -> list[Path]:
    """The files that the paths stand for, folders searched in the order of their names; what is hidden is left out.

    :raises TwinlensError: ``invalid_arguments`` if a path is not there or may not be looked at, or there is no image at
        all.
    """
    files: list[Path] = []
    for path in paths:
        try:
            if path.is_dir():
                files += sorted(
                    file
                    for file in path.rglob("*")
                    # Hidden folders too: a data set keeps there what was set aside.
                    if file.suffix.lower() in SUFFIXES
                    and not any(part.startswith(".") for part in file.relative_to(path).parts)
                    and file.is_file()
                )
            elif path.exists():
                files.append(path)
            else:
                raise TwinlensError("invalid_arguments", f"There is no file or folder {path}.")
        except OSError as error:  # a folder that is closed to us, a name that is too long
            raise TwinlensError("invalid_arguments", f"{path} cannot be read: {error.strerror}.") from None
    if not files:
        names = ", ".join(map(str, paths))
        raise TwinlensError("invalid_arguments", f"No image was found in {names} (looked for {', '.join(SUFFIXES)}).")
    return files


def answers(files: Sequence[Path], classifier: Classifier, settings: Settings, top_k: int) -> Iterator[Result]:
    """Answer files one after the other, in batches.

    :return: one result a file, in the files' order.
    """
    threads = settings.decode_threads or available_threads()

    def load(file: Path) -> NDArray[np.uint8]:
        header = classifier.read_header(read_file(file, settings.max_body_bytes))
        with in_turn(header):
            return classifier.pixels(header)

    with ThreadPoolExecutor(threads, "decode") as pool:
        waiting: deque[tuple[Path, Future[NDArray[np.uint8]]]] = deque()
        left = iter(files)
        try:
            while True:
                ahead = 2 * settings.max_batch_size - len(waiting)
                waiting.extend((file, pool.submit(load, file)) for file in itertools.islice(left, ahead))
                if not waiting:
                    return
                batch = [waiting.popleft() for _ in range(min(settings.max_batch_size, len(waiting)))]
                yield from _answer(batch, classifier, top_k)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _answer(
    batch: list[tuple[Path, Future[NDArray[np.uint8]]]], classifier: Classifier, top_k: int
) -> Iterator[Result]:
    loaded: list[tuple[Path, NDArray[np.uint8] | TwinlensError]] = []
    for file, future in batch:
        try:
            loaded.append((file, future.result()))
        except TwinlensError as error:
            loaded.append((file, error))
    pixels = [value for _, value in loaded if not isinstance(value, TwinlensError)]
    scores = iter(classifier.scores(np.stack(pixels)) if pixels else ())
    for file, value in loaded:
        if isinstance(value, TwinlensError):
            yield Result(file, value)
        else:
            yield Result(file, classifier.answer(next(scores), top_k))


def read_file(file: Path, max_bytes: int) -> bytes:
    """The bytes of a file that may be an image.

    :raises TwinlensError: ``not_an_image`` if it is no regular file, ``broken_image`` if it cannot be read,
        ``body_too_large`` if it has more than so many bytes.
    """
    try:
        if not file.is_file():  # a device never ends, and a pipe may never begin
            raise TwinlensError("not_an_image", "This is no regular file. Give the name of an image file.")
        with file.open("rb") as stream:
            data = stream.read(max_bytes + 1)
    except OSError as error:
        raise TwinlensError("broken_image", f"The file cannot be read: {error.strerror}.") from None
    if len(data) > max_bytes:
        raise TwinlensError(
            "body_too_large", f"The file has more than {max_bytes} bytes; TWINLENS_MAX_BODY_MIB sets the most."
        )
    return data


def _write(line: str, file: TextIO) -> None:
    if file.isatty():
        tqdm.write(line, file=file)  # above the bar
    else:
        file.write(line + "\n")


def _as_json(result: Result) -> dict[str, Any]:
    if isinstance(result.outcome, TwinlensError):
        return {"file": str(result.file), "error": {"code": result.outcome.code, "detail": result.outcome.detail}}
    return {"file": str(result.file), **result.outcome}


def _as_text(file: Path, answer: Answer) -> str:
    return f"{file}: " + ", ".join(f"{each['label']} {each['score']:.1%}" for each in answer["predictions"])
