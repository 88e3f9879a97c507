"""``python -m benchmarks.data PHOTOS``: how many wrong labels ``data check`` finds, into ``docs/results/data.json``.

The photos are imported into a data set of their own, as a user does it; then one label in twenty of its manifest is
changed to another, chosen by seed, and the data set is checked. That is done for several seeds: which labels are
changed decides much. What the check doubts and we have not changed counts as a mistake of the check, though some of
those labels are wrong in the original.
"""

from __future__ import annotations

import os

# As training/__main__.py does, and for its reason: read once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.arguments import make_command, reported
from benchmarks.results import RESULTS, Goal, commit, outcome, result, significant, write_result
from training import networks
from training.dataset.check import Checked, check
from training.dataset.embeddings import ARCH
from training.dataset.importing import import_folder
from training.dataset.intake import About
from twinlens.arguments import integer, number
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.errors import TwinlensError

DEFINITIONS: Final = {
    "label_noise_recall": "share of the changed labels that the check doubts, the mean over the rows",
    "label_noise_precision": "share of the doubted labels that were changed, the mean over the rows",
    "agreement": "share of all labels, the changed ones too, that the check's classifier gives",
    "suggestion_right": "share of the changed labels found whose suggested label is the original one",
}


def flipped(rows: Sequence[Row], share: float, seed: int) -> list[Row]:
    """Rows with a share of the labels changed to another one, every other one being as likely.

    :param rows: in any order; the photos' digests decide, not their paths.
    """
    names = sorted({row.label for row in rows})
    rng = np.random.default_rng(seed)
    order = sorted(range(len(rows)), key=lambda index: (rows[index].sha256, rows[index].path))
    changed = list(rows)
    for at in rng.choice(len(rows), round(share * len(rows)), replace=False):
        row = rows[order[at]]
        others = [name for name in names if name != row.label]
        changed[order[at]] = row.model_copy(update={"label": others[rng.integers(len(others))]})
    return changed


def compared(seed: int, original: Sequence[Row], checked: Checked) -> dict[str, Any]:
    """A row of the result: what was changed, and what the check says.

    :param original: in the order of the check's rows.
    """
    assert checked.noise is not None
    changed = {
        index for index, (row, now) in enumerate(zip(original, checked.rows, strict=True)) if row.label != now.label
    }
    doubts = {doubt.index: doubt for doubt in checked.noise.doubts}
    found = changed & doubts.keys()
    right = sum(doubts[index].suggested == original[index].label for index in found)
    return {
        "seed": seed,
        "photos": len(original),
        "changed": len(changed),
        "doubted": len(doubts),
        "found": len(found),
        "recall": significant(len(found) / len(changed)),
        "precision": significant(len(found) / len(doubts)) if doubts else 0.0,
        "suggestion_right": significant(right / len(found)) if found else 0.0,
        "agreement": significant(checked.noise.accuracy),
    }


def measure(photos: Path, work: Path, share: float, seeds: int, arch: str, init: str) -> list[dict[str, Any]]:
    """Change labels and check, once for each seed.

    :param photos: folder of labelled photos; it is read and not changed.
    :param work: folder of the copy; what it holds from before is used again.
    :raises TwinlensError: as :func:`import_folder` and :func:`check` do; ``invalid_data`` if there are too few photos.
    """
    if manifest.read(work) is None:
        import_folder(work, photos, About(""))
    original = manifest.require(work)
    if round(share * len(original)) < 1:
        raise TwinlensError("invalid_data", f"{photos} has {len(original)} photos, too few to change labels of.")
    rows = []
    for seed in range(seeds):
        # Fingerprints have no part in this.
        checked = check(work, -1, arch, init, rows=flipped(original, share, seed))
        rows.append(compared(seed, original, checked))
        sys.stdout.write(f"{rows[-1]}\n")
        sys.stdout.flush()
    return rows


def goals(rows: Sequence[dict[str, Any]]) -> list[Goal]:
    """What was asked for."""
    recall, precision = (statistics.fmean(row[name] for row in rows) for name in ("recall", "precision"))
    return [
        Goal("label_noise_recall", recall, "share", 0.8, "higher"),
        Goal("label_noise_precision", precision, "share", 0.5, "higher"),
    ]


@contextlib.contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
    else:
        with tempfile.TemporaryDirectory(prefix="bench-data-") as made:
            yield Path(made)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.data", description=__doc__.split("\n\n")[0])
    add = made.add_argument
    add("photos", type=Path, help="folder of labelled photos")
    add("--share", type=number(0.001, 0.5), default=0.05, help="labels to change (%(default)s)")
    add("--seeds", type=integer(1, 100), default=5, help="how often, with other labels each time (%(default)s)")
    add("--arch", default=ARCH, help="network of the embeddings (%(default)s)")
    add("--init", default=networks.IMAGENET, help="its weights (%(default)s)")
    add("--work", type=Path, help="folder of the copy, kept for the next time (default: a temporary one)")
    add("--out", type=Path, default=RESULTS / "data.json", help="result file (%(default)s)")
    return made


def main(given: list[str] | None = None) -> int:
    """Measure and write the result; status 1 if a goal is missed, 2 for what cannot be measured."""
    arguments = parser()
    options = arguments.parse_args(given)

    def run() -> int:
        began = commit()
        with _folder(options.work) as work:
            rows = measure(options.photos, work, options.share, int(options.seeds), options.arch, options.init)
        init = options.init
        if init not in (networks.IMAGENET, networks.NONE):
            options.init = Path(init)  # named relative to the repository
        content = result(
            make_command("bench-data", arguments, options, ("out", "work")),
            rows,
            goals(rows),
            commit=began,
            definitions=DEFINITIONS,
            versions={name: metadata.version(name) for name in ("torch", "cleanlab", "scikit-learn")},
            facts={"network": options.arch, "share_changed": options.share},
        )
        write_result(options.out, content)
        for goal in content["goals"]:
            sys.stdout.write(f"{outcome(goal)}\n")
        sys.stdout.write(f"Written: {options.out}\n")
        return 0 if all(goal["met"] for goal in content["goals"]) else 1

    return reported(run)


if __name__ == "__main__":
    sys.exit(main())
