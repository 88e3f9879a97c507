"""``python -m benchmarks.page [PHOTOS]``: write ``docs/results/page.json`` and the picture beside it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.arguments import reported
from benchmarks.page import packages, photos, sites, weights
from benchmarks.page.goals import DEFINITIONS, goals, spread
from benchmarks.page.options import Options, parse
from benchmarks.page.picture import draw
from benchmarks.page.plan import LINE, MOST_THREADS, OURS, PEERS, minutes, order
from benchmarks.page.rows import rows
from benchmarks.page.turn import Plan, Turn, rehearse, take
from benchmarks.results import checkout, commit, outcome, result, write_result
from browser.chromium import chromium
from loadtest.kept import Kept
from training.progress import bar, say
from twinlens.classifier import Classifier
from twinlens.footprint import export_sizes
from twinlens.inference import available_threads
from twinlens.settings import Settings
from twinlens.store import write_atomically

_KEY_DIGITS: Final = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; status 1 if a goal is missed, 2 if something is not as it must be."""
    return reported(lambda: _run(parse(arguments)))


def _run(options: Options) -> int:
    began, settings = commit(), Settings.from_environment()
    classifier = Classifier.current(settings)
    model = classifier.version.path.parent
    mounts = {OURS: sites.ours(model)}
    with chromium() as browser:  # before minutes are spent on what it will open
        known = browser.version
    peers = [name for name in options.only if name in PEERS]
    node_modules = packages.prepare(options.cache) if peers else Path()
    folder = options.work / "weights"
    found = weights.prepare(classifier, peers, options.photos, folder, options.cache)
    mounts |= {
        name: sites.peer(name, node_modules, folder / name) for name in peers if "not_measured" not in found[name]
    }
    small, large = photos.make(options.photos, classifier, options.work / "photos")
    plan = Plan(small, large, options.warm, min(available_threads(), MOST_THREADS))
    say(f"{options.rounds} rounds: about {minutes(list(mounts), options.rounds):.0f} minutes")
    rounds = _rounds(options, mounts, plan, [classifier.version.digest, known, found])
    exported = export_sizes(classifier.version)["tfjs"]["bytes"]
    named: dict[str, dict[str, Any]] = {OURS: {"chosen": "as exported", "bytes": exported}} | found
    made, asked = rows(rounds, options.only, named), goals(rounds)
    contract = classifier.contract
    content = result(
        options.command,
        made,
        asked,
        commit=began,
        definitions=DEFINITIONS,
        versions={"chromium": known, **(packages.versions() if peers else {})},
        facts={
            "model": {"name": contract.model.name, "version": contract.model.version},
            "line": LINE.name,
            "threads": plan.threads,
            "rounds": options.rounds,
            "photos": {
                "small": "500x375",
                "small_bytes": small.path.stat().st_size,
                "large_bytes": large.path.stat().st_size,
                "label": small.label,
                "made": options.photos is None,
            },
            "weights": found,
            "spread": spread(rounds),
        },
    )
    write_result(options.out, content)
    write_atomically(options.out.with_suffix(".png"), draw(made, LINE.name, plan.threads))
    if options.photos is not None and options.whole:
        weights.record(found, classifier.version, options.command)
    for goal in content["goals"]:
        say(outcome(goal))
    say(f"Written: {options.out} and {options.out.with_suffix('.png')}")
    return 0 if all(goal.met for goal in asked) else 1


def _rounds(
    options: Options, mounts: Mapping[str, sites.Mounts], plan: Plan, facts: Sequence[Any]
) -> list[dict[str, Turn]]:
    """Every round, what an earlier run has measured left as it is."""
    pages = [name for name in options.only if name in mounts]
    photo = hashlib.sha256(plan.small.path.read_bytes() + plan.large.path.read_bytes()).hexdigest()
    page = sorted(path.name for path in (sites.PAGE / "assets").iterdir())
    what = json.dumps([checkout(), photo, page, plan.photos, plan.threads, list(facts)])
    kept = Kept(options.work, hashlib.sha256(what.encode()).hexdigest()[:_KEY_DIGITS], say, fresh=options.fresh)
    for name in pages:
        say(f"{name}, untimed")
        rehearse(name, mounts[name], plan)
    found: list[dict[str, Turn]] = []
    with bar(options.rounds * len(pages), "Turns", unit="turn") as progress:
        for number in range(options.rounds):
            found.append({})
            for name in order(pages, number):
                measure = partial(take, name, mounts[name], plan, leak=number == 0)
                step = f"round {number + 1}, {name}"
                found[-1][name] = kept.step(step, measure, lasts=lambda turn: "failed" not in turn)
                progress.update()
    return found


if __name__ == "__main__":
    sys.exit(main())
