"""``python -m benchmarks.serving.ceiling MODEL SECONDS SETTINGS PHOTO...``: decode and inference alone, in a process.

There are dozens of settings of threads and batches. All of them are tried once; those that came out best are measured
again in every round, and the best of them counts there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.process import FAILED, answer, step
from loadtest.peers.ceiling import Setting, rates, settings
from twinlens.errors import TwinlensError
from twinlens.inference import available_threads
from twinlens.store import open_version

_TRIED_SECONDS: Final = 1.0
_BEST: Final = 3
_LIMIT_SECONDS: Final = 1800.0


def candidates(version: Path, photos: Sequence[Path]) -> dict[str, Any]:
    """Try every setting for a second.

    :param version: the model version's folder.
    :return: the best ones as ``settings``, or ``failed``: why there are none.
    """
    found = _measured(version, photos, [vars(setting) for setting in settings(available_threads())], _TRIED_SECONDS)
    return found if FAILED in found else {"settings": [rate["setting"] for rate in found["rates"][:_BEST]]}


def best(version: Path, photos: Sequence[Path], chosen: Sequence[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Measure settings for so many seconds each.

    :param chosen: what :func:`candidates` gives.
    :return: ``photos_per_second`` and ``cpu_seconds_per_1000`` of the best one and its ``setting``, or ``failed``.
    """
    found = _measured(version, photos, chosen, seconds)
    return found if FAILED in found else dict(found["rates"][0])


def _measured(
    version: Path, photos: Sequence[Path], chosen: Sequence[dict[str, Any]], seconds: float
) -> dict[str, Any]:
    arguments = [str(version), str(seconds), json.dumps(list(chosen)), *map(str, photos)]
    return step("benchmarks.serving.ceiling", arguments, _LIMIT_SECONDS)


def main(version: Path, seconds: float, chosen: Sequence[dict[str, Any]], photos: Sequence[Path]) -> dict[str, Any]:
    """Measure in this process; the fastest setting comes first."""
    data, tried = [photo.read_bytes() for photo in photos], [Setting(**each) for each in chosen]
    try:
        found = rates(data, open_version(version), tried, seconds, lambda _: None)
    except TwinlensError as error:
        return {FAILED: error.detail}
    found.sort(key=lambda rate: -rate.photos_per_second)
    return {
        "rates": [
            {
                "setting": vars(rate.setting),
                "photos_per_second": rate.photos_per_second,
                "cpu_seconds_per_1000": rate.cpu_seconds_per_1000,
            }
            for rate in found
        ]
    }


if __name__ == "__main__":
    answer(main(Path(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3]), [Path(name) for name in sys.argv[4:]]))
