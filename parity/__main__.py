"""``python -m parity [PHOTOS]``: write ``docs/results/parity.json`` and the picture beside it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import httpx

from benchmarks.results import RESULTS, commit, outcome, result, write_result
from benchmarks.server import serving
from browser.chromium import chromium
from parity import photos as photo_files
from parity.compare import DEFINITIONS
from parity.options import Options, parse
from parity.picture import draw
from parity.run import run
from twinlens import contract as contracts
from twinlens.errors import TwinlensError
from twinlens.settings import Settings
from twinlens.store import write_atomically


def main(arguments: list[str] | None = None) -> int:
    """Compare server and page; status 1 if a goal is missed, 2 for a bad argument."""
    try:
        return _run(parse("parity", "Compare server and page on photos.", RESULTS / "parity.json", arguments))
    except TwinlensError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _run(options: Options) -> int:
    folder, out = options.photos, options.out
    began = commit()
    settings = Settings.from_environment().to_environment()
    with tempfile.TemporaryDirectory(prefix="parity-") as name, serving(settings) as url, chromium() as browser:
        work = Path(name)
        contract = contracts.parse(httpx.get(f"{url}/v1/model").raise_for_status().content)
        if folder is None:
            folder = work / "samples"
            folder.mkdir()
            photo_files.samples(folder)
        photos, left_out = photo_files.find(folder, contract)
        parity = run(photos, options.large, work, contract, url, browser)
        chromium_version = browser.version
    groups = {"photos": parity.photos, "large": parity.large, "png": parity.png}
    content = result(
        options.command,
        [one.row(group) for group, comparisons in groups.items() for one in comparisons],
        parity.goals,
        commit=began,
        definitions=DEFINITIONS,
        versions={"chromium": chromium_version},
        facts={
            "model": {"name": contract.model.name, "version": contract.model.version},
            "photos": {group: len(comparisons) for group, comparisons in groups.items()},
            "left_out": left_out,
        },
    )
    write_result(out, content)
    write_atomically(out.with_suffix(".png"), draw(groups, {"mean at most": 0.002, "max at most": 0.02}))
    for goal in parity.goals:
        sys.stdout.write(f"{outcome(goal.to_json())}\n")
    sys.stdout.write(f"Written: {out} and {out.with_suffix('.png')}\n")
    return 0 if all(goal.met for goal in parity.goals) else 1


if __name__ == "__main__":
    sys.exit(main())
