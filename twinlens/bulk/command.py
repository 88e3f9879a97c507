"""The command ``twinlens classify FOLDER --out FILE.parquet``: a row for every photo, in a file that is written once.

What is answered is kept as parts beside the file until it is whole. A part is named by what it answers: the model, the
limits, and each file's path, size and time of change. So a job that was stopped goes on where it was, and one whose
photos have changed since answers those anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from tqdm import tqdm

from twinlens.bulk import processes
from twinlens.bulk.table import count, encode, join, row, schema
from twinlens.bulk.work import Chunk, Done, Job, chunks
from twinlens.classifier import Classifier
from twinlens.classify import find
from twinlens.dataset.manifest import changing
from twinlens.errors import TwinlensError
from twinlens.extras import need
from twinlens.folders import readable
from twinlens.settings import Settings
from twinlens.store import write_atomically

Engine = Literal["processes", "ray"]
ENGINES: Final[tuple[Engine, ...]] = ("processes", "ray")
SUFFIX: Final = ".parquet"

Work = Callable[[Job, Iterable[Chunk], int], Iterator[tuple[Chunk, list[Done]]]]


def classify_to(
    paths: Sequence[Path],
    out: Path,
    settings: Settings,
    *,
    top_k: int,
    engine: Engine = "processes",
    workers: int = 0,
    address: str | None = None,
) -> int:
    """Classify files and folders into a Parquet file.

    :param paths: files, and folders that are searched for images with everything below them.
    :param out: the file; it must not be there yet.
    :param top_k: how many labels at most.
    :param engine: what runs the job.
    :param workers: how many processes work side by side; 0: as many as the cores allowed to the process, and on a
        cluster as many as it has.
    :param address: of a Ray cluster; None starts one on this machine for the time of the job.
    :return: the exit status: 1 if a file could not be answered, else 0.
    :raises TwinlensError: ``invalid_arguments``, ``already_exists``, ``missing_requirement``, ``data_in_use``,
        ``engine_failed``, or what is wrong with the model.
    """
    need("pyarrow")
    if out.suffix.lower() != SUFFIX:
        raise TwinlensError("invalid_arguments", f"{out} does not end in {SUFFIX}, which is what is written.")
    _see_that_there_is_none(out)
    if address is not None and engine != "ray":
        raise TwinlensError("invalid_arguments", "--ray-address is for --engine ray.")
    work = _engine(engine, address)
    # Absolute, since a cluster's processes work in other folders; the rows have the paths as they were given.
    files = find(paths)
    classifier = Classifier.current(settings)
    classifier.warm_up()
    version = classifier.version
    columns = schema(version, top_k)
    folder = parts_of(out)
    started = time.monotonic()
    with changing(folder), tqdm(total=len(files), unit="photo", file=sys.stderr, mininterval=0.5) as progress:
        _see_that_there_is_none(out)  # another command may have written it until it let go of the folder
        named = [(chunk, folder / f"{_key(chunk, settings, version.digest, top_k)}{SUFFIX}") for chunk in chunks(files)]
        counted = {part: rows for _, part in named if (rows := count(part, columns)) is not None}
        before = sum(there for there, _ in counted.values())
        progress.update(before)
        missing = {chunk.number: part for chunk, part in named if part not in counted}
        job = Job(settings, version.path.absolute())
        wanted = [
            Chunk(chunk.number, tuple(file.absolute() for file in chunk.files))
            for chunk, _ in named
            if chunk.number in missing
        ]
        given = {chunk.number: chunk.files for chunk, _ in named}
        for chunk, found in work(job, wanted, workers) if wanted else ():
            answered = [
                {**row(done, version.contract, top_k), "file": readable(file)}
                for done, file in zip(found, given[chunk.number], strict=True)
            ]
            part = missing[chunk.number]
            write_atomically(part, encode(answered, columns))
            counted[part] = len(answered), sum(each["code"] is not None for each in answered)
            progress.update(len(answered))
        _see_that_there_is_none(out)
        join([part for _, part in named], columns, out)
        shutil.rmtree(folder, ignore_errors=True)
    failed = sum(errors for _, errors in counted.values())
    sys.stdout.write(f"{out}: {_summary(len(files), before, failed, time.monotonic() - started)}\n")
    sys.stdout.flush()
    return 1 if failed else 0


def parts_of(out: Path) -> Path:
    """The folder that holds what is answered until a file is whole."""
    return out.with_name(f".{out.name}.parts")


def _see_that_there_is_none(out: Path) -> None:
    if out.exists():
        raise TwinlensError("already_exists", f"{out} exists already. Name another file, or remove it.")


def _engine(engine: Engine, address: str | None) -> Work:
    if engine == "processes":
        return processes.work
    need("ray.data")
    from twinlens.bulk import rays

    def work(job: Job, wanted: Iterable[Chunk], workers: int) -> Iterator[tuple[Chunk, list[Done]]]:
        return rays.work(job, wanted, workers, address)

    return work


def _summary(files: int, before: int, failed: int, seconds: float) -> str:
    rate = f", {(files - before) / seconds:.1f} photos/s" if files > before else ""
    kept = f", {before} of them answered before" if before else ""
    wrong = f"; {failed} could not be answered, their rows say why (columns code and detail)" if failed else ""
    return f"{files} photos{kept}{rate}{wrong}"


def _key(chunk: Chunk, settings: Settings, digest: str, top_k: int) -> str:
    """Names what a chunk's part holds."""
    limits = settings.limits
    how: list[Any] = [digest, top_k, limits.jpeg_pixels, limits.other_pixels, settings.max_body_bytes]
    files = [[readable(file), *_seen(file)] for file in chunk.files]
    return hashlib.sha256(json.dumps([how, settings.max_batch_size, files]).encode()).hexdigest()[:32]


def _seen(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns
