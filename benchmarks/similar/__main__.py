"""``python -m benchmarks.similar PHOTOS``: write ``docs/results/similar.json``.

The photos are indexed as a user does it. Their vectors say how good neighbours are; a million made of them
(:mod:`.vectors`) say how fast and how large an index of a million is, a hundred thousand the same of the page's
gallery.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.arguments import make_command, reported
from benchmarks.process import FAILED, step
from benchmarks.results import RESULTS, ROOT, Goal, commit, outcome, result, significant, write_result
from benchmarks.similar import gallery
from benchmarks.similar.vectors import jittered
from training.progress import say
from twinlens.arguments import integer, number
from twinlens.errors import TwinlensError
from twinlens.settings import Settings
from twinlens.similar import folder as folders
from twinlens.similar.build import build
from twinlens.similar.index import Index
from twinlens.similar.options import RECALL, Options
from twinlens.similar.precision import NEAREST, nearest, precision
from twinlens.similar.projection import unit
from twinlens.store import ModelVersion, open_current

Floats = NDArray[np.float32]

VECTORS: Final = 1_000_000
QUESTIONS: Final = 1000
GALLERY: Final = 100_000
ROUNDS: Final = 5
WORK: Final = ROOT / "build" / "bench-similar"
_ASKED_ON_THE_PAGE: Final = 100
_PHOTOS_ON_THE_PAGE: Final = 25
_LIMIT_SECONDS: Final = 7200.0

DEFINITIONS: Final = {
    "vectors": "each is a photo's vector (network's embedding, projected, length 1), moved in a random direction by "
    "the distance of that photo's nearest neighbour; questions are made alike and are not in the index",
    "recall_at_10": "share of the ten nearest by a flat index that the index finds, over the questions",
    "speedup_vs_exact_1m": "milliseconds of one question by a flat index on the same vectors over those by the index, "
    "one question at a time on one thread, median over the rounds",
    "build_minutes": "from the vectors to the index, the search for the effort of its searches in it, on all cores; "
    "decoding photos, the network's embeddings, fitting the projection and writing the files are left out",
    "build_gigabytes": "largest resident memory of the process that builds, the vectors themselves in it, photos, "
    "network and embeddings not; 10^9 bytes",
    "page_search_over_inference": "milliseconds of one search of the gallery in a worker over those of the network on "
    "the page, both on WebAssembly with one thread in Chromium, median over the rounds",
    "gallery_megabytes": "the gallery's file, 10^6 bytes",
    "precision_at_5": "share of the five nearest of the test photos that have the photo's label, each photo left out "
    "in turn; projected vectors",
}


@dataclass(frozen=True)
class Photos:
    """What was indexed: the index, and of each row the embedding, float32 (N, size), and the photo's path."""

    index: Index
    embeddings: Floats
    vectors: Floats
    paths: list[Path]
    labels: list[str | None]


def indexed(photos: Path, work: Path, settings: Settings, version: ModelVersion) -> Photos:
    """Index photos as ``twinlens index build`` does; what an earlier run has computed is not computed again.

    :raises TwinlensError: as :func:`twinlens.similar.build.build` does.
    """
    build(photos, work / "index", settings, Options())
    index = Index(work / "index", version.digest)
    digests = [photo.sha256 for photo in index.photos]
    kept = folders.blocks(work / "index", version)
    return Photos(
        index,
        np.concatenate(list(kept.read(digests))).astype(np.float32),
        index.vectors(),
        [photos / photo.id for photo in index.photos],
        [photo.label for photo in index.photos],
    )


def quality(found: Photos, photos: Path) -> dict[str, Any]:
    """How good the neighbours of the test photos are, among themselves and among the others.

    :raises TwinlensError: ``invalid_data`` if there are no test photos with labels.
    """
    test = np.array([path.relative_to(photos).parts[0] == "test" for path in found.paths])
    labels = np.array(found.labels, dtype=object)
    own = labels[test].tolist()
    among = precision(found.vectors[test], own)
    whole = precision(unit(found.embeddings[test]), own)
    if among is None or whole is None:
        raise TwinlensError("invalid_data", f"{photos} has no test/ with a folder of photos for each label.")
    row = {
        "photos": int(test.sum()),
        "dimensions": found.index.projection.dimensions,
        "explained": significant(found.index.projection.explained),
        "precision_at_5": significant(among),
        "without_projection": significant(whole),
        "loss": significant(whole - among),
    }
    if (~test).sum() > NEAREST:
        places = nearest(found.vectors[test], found.vectors[~test], NEAREST)
        row["among_the_other_photos"] = significant(float((labels[~test][places] == labels[test][:, None]).mean()))
    return {"what": "neighbours", **row}


def searched(found: Photos, options: argparse.Namespace) -> dict[str, Any]:
    """Build and search the large index, in a process of its own.

    :raises TwinlensError: ``invalid_index`` if that process does not come to its end.
    """
    vectors, asked = options.work / "vectors.npy", options.work / "asked.npy"
    say(f"Making {options.vectors} vectors")
    np.save(vectors, jittered(found.vectors, options.vectors, 1))
    np.save(asked, jittered(found.vectors, QUESTIONS, 2))
    say("Building the index, and asking it")
    arguments = [str(vectors), str(asked), options.kind, str(options.recall), str(options.rounds)]
    row = step("benchmarks.similar.search", arguments, _LIMIT_SECONDS)
    vectors.unlink()
    if FAILED in row:
        raise TwinlensError("invalid_index", f"The index could not be measured: {row[FAILED]}.")
    return {"what": "index", **row}


def goals(rows: Sequence[Mapping[str, Any]]) -> list[Goal]:
    """What was asked for."""
    of = {row["what"]: row for row in rows}
    index, page, near = of["index"], of["gallery"], of["neighbours"]

    def ratio(above: str, below: str, row: Mapping[str, Any]) -> float:
        return float(np.median(np.divide(row[above], row[below])))

    return [
        Goal("recall_at_10", index["recall_at_10"], "share", 0.98, "higher"),
        Goal("speedup_vs_exact_1m", ratio("exact_ms", "ours_ms", index), "ratio", 20, "higher"),
        Goal("build_minutes", index["build_seconds"] / 60, "minutes", 15, "lower"),
        Goal("build_gigabytes", index["peak_bytes"] / 1e9, "GB", 2, "lower"),
        Goal("page_search_over_inference", ratio("search_ms", "inference_ms", page), "ratio", 1, "lower"),
        Goal("gallery_megabytes", page["bytes"] / 1e6, "MB", 13, "lower"),
        Goal("precision_at_5", near["precision_at_5"], "share", 0.85, "higher"),
    ]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.similar",
        description=__doc__.split("\n\n")[0],
        epilog="With fewer vectors, photos of the gallery or rounds than by default, the result stays in the work "
        "folder.",
    )
    add = made.add_argument
    add("photos", type=Path, help="data set with test/ and others, a folder of photos for each label")
    add("--vectors", type=integer(1000, 100_000_000), default=VECTORS, help="of the index (%(default)s)")
    add("--gallery", type=integer(100, 1_000_000), default=GALLERY, help="photos of the page's gallery (%(default)s)")
    add("--rounds", type=integer(1, 100), default=ROUNDS, help="turns of each (%(default)s)")
    add("--kind", default="auto", choices=("auto", "flat", "hnsw", "ivfpq"), help="of index (by size and recall)")
    add("--recall", type=number(0.1, 1), default=RECALL, help="that the index is tuned to (%(default)s)")
    add("--work", type=Path, default=WORK, help="folder of the index and the gallery (build/bench-similar)")
    return made


def main(given: Sequence[str] | None = None, results: Path = RESULTS) -> int:
    """Measure and write the result; status 1 if a goal is missed, 2 for what cannot be measured.

    :param results: folder of the result of a whole run.
    """
    arguments = parser()
    options = arguments.parse_args(given)
    options.vectors, options.gallery, options.rounds = int(options.vectors), int(options.gallery), int(options.rounds)
    return reported(lambda: _run(arguments, options, results))


def _run(arguments: argparse.ArgumentParser, options: argparse.Namespace, results: Path) -> int:
    began, settings = commit(), Settings.from_environment()
    version = open_current(settings.model_folder)
    options.work.mkdir(parents=True, exist_ok=True)
    found = indexed(options.photos, options.work, settings, version)
    rows = [quality(found, options.photos), searched(found, options)]
    say("Searching the page's gallery")
    page = gallery.measure(
        version,
        found.index.projection,
        jittered(found.vectors, options.gallery, 3),
        found.embeddings[:_ASKED_ON_THE_PAGE],
        found.paths[:_PHOTOS_ON_THE_PAGE],
        options.rounds,
        options.work / "gallery",
    )
    known = page.pop("browser")
    rows.append({"what": "gallery", **page})
    asked = goals(rows)
    whole = (options.vectors, options.gallery, options.kind) == (VECTORS, GALLERY, "auto") and options.rounds >= ROUNDS
    out = (results if whole else options.work) / "similar.json"
    contract = version.contract
    content = result(
        make_command("bench-similar", arguments, options, ("work",)),
        rows,
        asked,
        commit=began,
        definitions=DEFINITIONS,
        versions={"faiss-cpu": metadata.version("faiss-cpu"), "chromium": known},
        facts={
            "model": {"name": contract.model.name, "version": contract.model.version},
            "photos": len(found.paths),
            "rounds": options.rounds,
        },
    )
    write_result(out, content)
    for goal in content["goals"]:
        say(outcome(goal))
    say(f"Written: {out}")
    return 0 if all(goal.met for goal in asked) else 1


if __name__ == "__main__":
    sys.exit(main())
