"""What is possible without HTTP: our decoding and our graph in one process, with every setting of threads and batches.

``python -m loadtest.peers.ceiling [PHOTOS]`` prints JSON: photos a second and processor seconds of 1000 photos for
each setting, and the best. No server on this machine that does the same work can answer more photos a second.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import machine, significant
from loadtest.photos import make_pictures
from parity.photos import find, spread
from twinlens.arguments import integer, number
from twinlens.decode import Limits
from twinlens.errors import TwinlensError
from twinlens.inference import Network, available_threads
from twinlens.preprocess import load
from twinlens.settings import Settings
from twinlens.store import ModelVersion, open_current, open_model

BATCH_SIZES: Final = (1, 2, 4, 8, 16)
_WARM_UP_BATCHES: Final = 2
_MADE: Final = 40


@dataclass(frozen=True)
class Setting:
    """Threads that decode, threads within one inference, photos in one, and whether idle inference threads spin.

    The thread whose photo completes a batch runs it, while the others go on decoding.
    """

    decode_threads: int
    inference_threads: int
    batch_size: int
    spinning: bool


@dataclass(frozen=True)
class Rate:
    """What a setting reached."""

    setting: Setting
    photos_per_second: float
    cpu_seconds_per_1000: float

    def to_json(self) -> dict[str, Any]:
        """One flat object, figures rounded to what they are good for."""
        figures = {name: significant(value) for name, value in asdict(self).items() if name != "setting"}
        return asdict(self.setting) | figures


def settings(cores: int) -> list[Setting]:
    """Every setting that is tried on so many cores; an inference of one thread has no others that could spin."""
    return [
        Setting(decode, inference, batch, spinning)
        for decode, inference, batch in itertools.product(
            sorted({1, cores, cores + 1, 2 * cores}), sorted({1, cores}), BATCH_SIZES
        )
        for spinning in ((False, True) if inference > 1 else (False,))
    ]


def rates(
    photos: Sequence[bytes],
    version: ModelVersion,
    tried: Sequence[Setting],
    seconds: float,
    say: Callable[[str], None],
) -> list[Rate]:
    """Measure each setting for so many seconds, over the same photos.

    :param photos: the bytes of image files that the server reads.
    :param say: told of each, a line.
    :raises TwinlensError: as :func:`twinlens.decode.decode` and :class:`twinlens.inference.Network` do.
    """
    measured = []
    for turn, setting in enumerate(tried, 1):
        network = Network(version, setting.inference_threads, spinning=setting.spinning)
        rate = _Run(photos, network, setting).rate(seconds)
        measured.append(rate)
        say(f"{turn}/{len(tried)} {setting}: {rate.photos_per_second:.1f} photos/s")
    return measured


class _Run:
    """Threads that decode and run batches until they are told to stop."""

    def __init__(self, photos: Sequence[bytes], network: Network, setting: Setting) -> None:
        self._photos, self._network, self._setting = photos, network, setting
        self._next: Iterator[bytes] = itertools.cycle(photos)
        self._batch: list[NDArray[np.uint8]] = []
        self._done = 0
        self._marks: list[tuple[float, float, int]] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._error: BaseException | None = None

    def rate(self, seconds: float) -> Rate:
        threads = [threading.Thread(target=self._work) for _ in range(self._setting.decode_threads)]
        for thread in threads:
            thread.start()
        # Over two marks at least, however slow the machine is.
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline or len(self._marks) < _WARM_UP_BATCHES + 2:
            if self._stopped.wait(0.05):
                break
        self._stopped.set()
        for thread in threads:
            thread.join()
        if self._error is not None:
            raise self._error
        # From the end of a batch to the end of another, so that no part of one counts.
        (began, cpu_began, done_before), (ended, cpu_ended, done) = self._marks[_WARM_UP_BATCHES], self._marks[-1]
        count = done - done_before
        return Rate(self._setting, count / (ended - began), 1000 * (cpu_ended - cpu_began) / count)

    def _work(self) -> None:
        try:
            while not self._stopped.is_set():
                self._one()
        except BaseException as error:  # whatever it is, the thread that waits is to raise it
            self._error = error
            self._stopped.set()

    def _one(self) -> None:
        with self._lock:
            data = next(self._next)
        pixels = load(data, self._network.contract, Limits())
        with self._lock:
            self._batch.append(pixels)
            if len(self._batch) < self._setting.batch_size:
                return
            batch, self._batch = self._batch, []
        self._network.scores(np.stack(batch))
        with self._lock:
            self._done += len(batch)
            self._marks.append((time.perf_counter(), time.process_time(), self._done))


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; status 2 if something is not as it must be."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.peers.ceiling", description="Measure decoding and inference without HTTP."
    )
    add = parser.add_argument
    add("photos", nargs="?", type=Path, help="folder of photos; pictures made by code without it")
    add("--model", type=Path, help="a model's or a version's folder (the one that the settings name)")
    add("--count", type=integer(1), default=200, help="how many different photos at most (%(default)s)")
    add("--seconds", type=number(0, above=True), default=3.0, help="how long each setting is measured (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        model = options.model
        version = open_current(Settings.from_environment().model_folder) if model is None else open_model(model)
        with tempfile.TemporaryDirectory(prefix="twinlens-ceiling-") as folder:
            if options.photos is None:
                make_pictures(Path(folder), _MADE)
            found, _ = find(options.photos or Path(folder), version.contract)
            photos = [photo.path.read_bytes() for photo in spread(found, min(options.count, len(found)))]
        tried = settings(available_threads())
        measured = rates(photos, version, tried, options.seconds, _say)
    except TwinlensError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    best = max(measured, key=lambda rate: rate.photos_per_second)
    printed = {
        "machine": machine(),
        "model": version.contract.model.version,
        "photos": len(photos),
        "seconds": options.seconds,
        "best": best.to_json(),
        "rows": [rate.to_json() for rate in measured],
    }
    sys.stdout.write(json.dumps(printed, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
