"""``python -m benchmarks.container``: write ``docs/results/container.json``."""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.arguments import make_command, reported
from benchmarks.container import archive, bento, checks, starts
from benchmarks.container.choice import ENGINES, choose
from benchmarks.container.engine import Engine
from benchmarks.results import RESULTS, ROOT, Goal, commit, outcome, result, significant, write_result
from training.progress import say
from twinlens import __version__
from twinlens.arguments import integer
from twinlens.errors import TwinlensError
from twinlens.settings import Settings
from twinlens.store import open_current

BASE: Final = "python:3.11-slim"
CONTAINERFILE: Final = ROOT / "bentos" / "container" / "Containerfile"
DEFINITIONS: Final = {
    "app_layers_mb": "layers of the image that its base does not have, as uncompressed tars, in 10^6 bytes",
    "ready_ratio": "median of ratio over the rounds",
    "ratio": "twinlens over empty, in one round",
    "twinlens": "seconds from the container's start until /readyz answers 200; the image as it is",
    "empty": "the same for a BentoML service with one method that returns an empty string, in the same image",
    "base_holds": "what the base brings of commands and packages that the application's layers must not hold",
    "unwritable": "how the engine kept the files of the container from being written, in the checks that are about it",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, run, call, stop; status 1 if a goal is missed, 2 if something is not as it must be."""
    options = _parser().parse_args(arguments)
    return reported(lambda: _run(options))


def goals(megabytes: float, rounds: Sequence[dict[str, Any]], looked: Sequence[checks.Check]) -> list[Goal]:
    """What was asked for.

    :param megabytes: of the application's layers.
    :param rounds: rows of :func:`benchmarks.container.starts.measure`.
    """
    return [
        Goal("app_layers_mb", megabytes, "MB", 350, "lower"),
        Goal("ready_ratio", statistics.median(row["ratio"] for row in rounds), "times", 2, "lower"),
        Goal("checks_failed", sum(not check.passed for check in looked), "checks", 0, "lower"),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.container", description="Build the image, run it, and look at both."
    )
    add = parser.add_argument
    add("--base", default=BASE, metavar="IMAGE", help="image with Python 3.11 or later and pip (%(default)s)")
    add("--engine", choices=ENGINES, help="what builds and runs it (the first of these that works)")
    add("--tag", default="twinlens", metavar="NAME", help="name of the image, which is kept (%(default)s)")
    add("--rounds", type=integer(1), default=5, help="starts that are timed (%(default)s)")
    add("--out", type=Path, default=RESULTS / "container.json", help="result file (%(default)s)")
    return parser


def _run(options: argparse.Namespace) -> int:
    began = commit()
    engine = choose(options.engine)
    version = open_current(Settings.from_environment({}).model_folder)
    if not (ROOT / "web" / "dist" / "index.html").is_file():
        raise TwinlensError("missing_page", "The page that the image serves has not been built. Run: make page")
    say(f"{engine.name} {engine.version}, base {options.base}")
    engine.fetch(options.base)
    with tempfile.TemporaryDirectory(prefix="twinlens-container-") as work:
        say("building")
        context = bento.build(Path(work) / "bentos")
        labels = {"BASE": options.base, "VERSION": __version__, "REVISION": began}
        engine.build(CONTAINERFILE, context, options.tag, labels)
        base, image = (_saved(engine, name, Path(work)) for name in (options.base, options.tag))
    layers = archive.above(image, base)
    looked = []
    for check in itertools.chain(
        checks.of_image(image, layers),
        checks.as_shipped(engine, options.tag, version),
        checks.as_another_user(engine, options.tag, version),
    ):
        looked.append(check)
        say(f"{'ok    ' if check.passed else 'FAILED'} {check.name}: {check.found}")
    say("timing starts")
    rounds = starts.measure(engine, options.tag, options.rounds)
    megabytes = sum(layer.size for layer in layers) / 1e6
    found = goals(megabytes, rounds, looked)
    content = result(
        make_command("container", _parser(), options, ("tag", "out"), "base"),
        [
            *({"kind": "layer", "mb": significant(each.size / 1e6), "made_by": each.made_by} for each in layers),
            *({"kind": "start", **row} for row in rounds),
            *(check.to_json() for check in looked),
        ],
        found,
        commit=began,
        definitions=DEFINITIONS,
        versions={engine.name: engine.version},
        facts={
            "engine": engine.name,
            "unwritable": engine.tree,
            "base": {
                "name": options.base,
                "mb": significant(sum(layer.size for layer in base.layers) / 1e6),
                "base_holds": archive.unwanted(base.layers),
            },
        },
    )
    write_result(options.out, content)
    for goal in content["goals"]:
        say(outcome(goal))
    say(f"Written: {options.out}. The image is kept: {options.tag}")
    return 0 if all(goal.met for goal in found) else 1


def _saved(engine: Engine, image: str, folder: Path) -> archive.Image:
    path = folder / "image.tar"
    engine.save(image, path)
    try:
        return archive.read(path)
    finally:
        path.unlink()


if __name__ == "__main__":
    sys.exit(main())
