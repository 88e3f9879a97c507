"""What was measured so far, a file for each step, so that a load test that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from loadtest.plan import Shot
from twinlens.store import write_atomically

Result = TypeVar("Result")
_DIGITS: Final = 12


class Kept:
    """The results of one load test's steps.

    :param work: the folder of all load tests.
    :param key: what the results hang on; those of another key are not seen.
    :param fresh: forget what this key has.
    :param say: told what is done, a line each.
    """

    def __init__(self, work: Path, key: str, say: Callable[[str], None], *, fresh: bool = False) -> None:
        self.folder = work / key
        self._say = say
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)

    def step(
        self, name: str, measure: Callable[[], Result], *, lasts: Callable[[Result], bool] = lambda _: True
    ) -> Result:
        """The result of a step, which is JSON: measured, unless an earlier run has done so.

        :param lasts: whether a result is kept; one that is not is measured again by the next run.
        """
        path = self.folder / f"{name}.json"
        if path.is_file():
            self._say(f"{name}: kept from an earlier run")
            return cast(Result, json.loads(path.read_bytes()))
        self._say(name)
        found = measure()
        if lasts(found):
            write_atomically(path, json.dumps(found, ensure_ascii=False).encode())
        return found


def key_of(shots: Sequence[Shot], folders: Sequence[Path], facts: Sequence[Any]) -> str:
    """What the results of a load test hang on: its photos and their answers, the pages, and whatever else is named."""
    digest = hashlib.sha256(repr([(shot.kind, shot.label, shot.score) for shot in shots]).encode())
    for path in dict.fromkeys(shot.path for shot in shots):
        digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
    for folder in folders:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(f"{file.relative_to(folder)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    digest.update(repr(list(facts)).encode())
    return digest.hexdigest()[:_DIGITS]
