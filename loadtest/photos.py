"""The photos of a load test, and the golden answer of each: computed beforehand, by the server's own code, on the very
bytes that are sent.

``python -m loadtest.photos [PHOTOS] --plan FILE`` writes a plan for runs of locust by hand; with ``--bundle`` one that
can be taken to another machine, its photos beside it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from loadtest.plan import Kind, Plan, Shot, Stage, Thresholds
from parity.photos import LARGE_SIZE, Photo, find, large_copies, spread
from twinlens.arguments import integer, number
from twinlens.classifier import Classifier
from twinlens.decode import MEDIA_TYPES, sniff
from twinlens.errors import TwinlensError
from twinlens.settings import Settings

MARGIN: Final = 0.05
"""Photos whose two best labels are nearer than this are left out: their label may hang on a decoder's last bit."""
_MADE_SIZES: Final = ((500, 375), (375, 500), (640, 480))
_PHONE_FILES: Final = 10
_BUNDLE: Final = "plan-bundle"


@dataclass(frozen=True)
class Gathered:
    """What is sent in a visit, in this order, one 12-megapixel photo in every ``cycle``; ``undecided`` photos had two
    labels too near to each other, ``unread`` ones are of no format that both sides read."""

    shots: list[Shot]
    cycle: int
    undecided: int
    unread: int


def gather(
    folder: Path | None,
    classifier: Classifier,
    count: int,
    phone_share: float,
    work: Path,
    phone_size: tuple[int, int] = LARGE_SIZE,
) -> Gathered:
    """Choose photos, make the 12-megapixel ones out of them, and compute what must be answered.

    :param folder: the photos, searched with its subfolders; None for pictures made by code.
    :param count: how many are sent in a visit; a folder of fewer is gone through again.
    :param phone_share: the share of 12-megapixel ones.
    :param work: a folder for what is made.
    :param phone_size: width and height of the large ones.
    :raises TwinlensError: ``invalid_data`` if the folder has no photo that both sides read and answer decidedly.
    """
    if folder is None:
        folder = work / "made"
        make_pictures(folder, count)
    found, left_out = find(folder, classifier.contract)
    cycle = max(round(1 / phone_share), 1) if phone_share else count
    phones = set(range(cycle // 2, count, cycle)) if phone_share else set[int]()
    candidates = spread(found, min(count + count // 4, len(found)))
    small = list(_golden(candidates, "photo", classifier))
    large: list[Shot | None] = []
    if phones:
        (work / "phone").mkdir(parents=True, exist_ok=True)
        # Some of them may turn out to be undecided.
        copies = large_copies(
            found, min(len(phones) + 2, _PHONE_FILES), work / "phone", classifier.contract, phone_size
        )
        large = list(_golden(copies, "phone", classifier))
    decided, large_decided = _decided(small, folder), _decided(large, folder) if phones else []
    shots, taken = [], 0
    for index in range(count):
        if index in phones:
            shots.append(large_decided[taken % len(large_decided)])
            taken += 1
        else:
            shots.append(decided[(index - taken) % len(decided)])
    return Gathered(shots, cycle, (small + large).count(None), len(left_out))


def make_pictures(folder: Path, count: int) -> None:
    """Write pictures made by code, for when nobody has photos: each of one colour, shaded, with texture; JPEG."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        rng = np.random.default_rng(index)
        width, height = _MADE_SIZES[index % len(_MADE_SIZES)]
        colour = 255.0 * np.array([index & 1, index >> 1 & 1, index >> 2 & 1])
        shade = Image.fromarray(rng.integers(0, 90, (5, 7, 3), dtype=np.uint8)).resize((width, height))
        grain = rng.normal(0, 12, (height, width, 1))
        pixels = np.abs(colour - np.asarray(shade, np.float64)) + grain
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{index:04}.jpg", quality=88)


def _golden(photos: Sequence[Photo] | Iterator[Photo], kind: Kind, classifier: Classifier) -> Iterator[Shot | None]:
    """A shot of each photo with its golden answer; None for one whose best two labels are too near to each other."""
    for photo in photos:
        data = photo.path.read_bytes()
        scores = classifier.scores(classifier.pixels(classifier.read_header(data))[None])[0]
        best = classifier.answer(scores, 2)["predictions"]
        if best[0]["score"] - best[-1]["score"] < MARGIN and len(best) > 1:
            yield None
        else:
            media = MEDIA_TYPES[sniff(data)]
            yield Shot(str(photo.path.absolute()), kind, media, best[0]["label"], best[0]["score"])


def bundled(shots: Sequence[Shot], folder: Path) -> list[Shot]:
    """The same shots with their files copied into ``folder/plan-bundle``, made anew, and paths relative to ``folder``.

    :raises TwinlensError: ``invalid_arguments`` if some of the photos lie in that very folder.
    """
    target = folder / _BUNDLE
    if any(Path(shot.path).resolve().is_relative_to(target.resolve()) for shot in shots):
        raise TwinlensError("invalid_arguments", f"The photos lie in {target}, which is made anew. Move them first.")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    names: dict[str, str] = {}
    for shot in shots:
        if shot.path not in names:
            names[shot.path] = f"{_BUNDLE}/{len(names):04}{Path(shot.path).suffix}"
            shutil.copyfile(shot.path, folder / names[shot.path])
    return [replace(shot, path=names[shot.path]) for shot in shots]


def _decided(shots: Sequence[Shot | None], folder: Path) -> list[Shot]:
    decided = [shot for shot in shots if shot is not None]
    if not decided:
        raise TwinlensError(
            "invalid_data",
            f"The model cannot decide between two labels for any of the photos tried in {folder}. Name a folder of "
            "photos of what the model knows.",
        )
    return decided


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a plan; status 2 if it cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.photos", description="Write a plan for locust.")
    parser.add_argument("photos", nargs="?", type=Path, help="folder of photos; pictures made by code without it")
    parser.add_argument("--plan", type=Path, default=Path("build/loadtest/plan.json"), help="the file (%(default)s)")
    parser.add_argument("--count", type=integer(1), default=50, help="how many different photos (%(default)s)")
    parser.add_argument("--users", type=integer(1), default=8, help="users of the last stage (%(default)s)")
    parser.add_argument(
        "--seconds", type=number(0, above=True), default=30, help="how long each of the two stages lasts (%(default)s)"
    )
    parser.add_argument("--p95-ms", type=number(0, above=True), help="the 95th percentile that must be kept")
    parser.add_argument("--bundle", action="store_true", help="copy the photos beside the plan, for another machine")
    options = parser.parse_args(arguments)
    try:
        classifier = Classifier.current(Settings.from_environment())
        gathered = gather(options.photos, classifier, options.count, 0.1, options.plan.parent / "plan-photos")
        shots = bundled(gathered.shots, options.plan.parent) if options.bundle else gathered.shots
    except TwinlensError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    half = max(options.users // 2, 1)
    Plan(
        shots,
        {"one": 6, "burst": 1, "phone": 1},
        [Stage(options.seconds, half, half), Stage(options.seconds, options.users, half)],
        Thresholds(p95_ms=options.p95_ms),
    ).write(options.plan)
    sys.stdout.write(f"Written: {options.plan}, {len(gathered.shots)} photos\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
