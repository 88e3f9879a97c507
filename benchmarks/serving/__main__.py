"""``python -m benchmarks.serving [PHOTOS]``: write ``docs/results/server.json`` and the picture beside it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.arguments import reported
from benchmarks.process import FAILED
from benchmarks.results import checkout, commit, outcome, result, write_result
from benchmarks.serving import ceiling, gpu, photos, wrk
from benchmarks.serving.goals import DEFINITIONS, goals, spread
from benchmarks.serving.options import Options, parse
from benchmarks.serving.picture import draw
from benchmarks.serving.plan import CEILING, CELLS, PEERS, SMALL, minutes, order, versions
from benchmarks.serving.rows import rows
from benchmarks.serving.turn import Turn, ceiling_turn, take
from loadtest.kept import Kept, key_of
from loadtest.peers.catalogue import prepare
from loadtest.processes import require_proc
from training.progress import bar, say
from twinlens.classifier import Classifier
from twinlens.settings import Settings
from twinlens.store import write_atomically


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; status 1 if a goal is missed, 2 if something is not as it must be."""
    return reported(lambda: _run(parse(arguments)))


def _run(options: Options) -> int:
    began = commit()
    require_proc()
    client = wrk.version()
    logging.getLogger("PIL").setLevel(logging.ERROR)
    if set(options.only) & set(PEERS):
        prepare(options.cache)
    classifier = Classifier.current(Settings.from_environment())
    say("photos, and their golden answers")
    sent = photos.make(options.photos, classifier, options.work / "photos")
    say(f"{options.rounds} rounds: about {minutes(options.only, options.rounds, options.seconds):.0f} minutes")
    rounds = _rounds(options, classifier, sent)
    found, made = goals(rounds), rows(rounds, options.only)
    model = classifier.contract.model
    content = result(
        options.command,
        made,
        found,
        commit=began,
        definitions=DEFINITIONS,
        versions={"wrk": client, **versions()},
        facts={
            "model": {"name": model.name, "version": model.version},
            "photos": {
                size: {
                    "count": len(some),
                    "megabytes": round(sum(each.body.stat().st_size for each in some) / len(some) / 1e6, 3),
                }
                for size, some in sent.items()
            },
            "made": options.photos is None,
            "rounds": options.rounds,
            "seconds": options.seconds,
            "gpu": gpu.measure(classifier.version, options.cache),
            "spread": spread(rounds),
        },
    )
    write_result(options.out, content)
    write_atomically(options.out.with_suffix(".png"), draw(made))
    for goal in content["goals"]:
        say(outcome(goal))
    say(f"Written: {options.out} and {options.out.with_suffix('.png')}")
    return 0 if all(goal.met for goal in found) else 1


def _rounds(
    options: Options, classifier: Classifier, sent: Mapping[str, Sequence[photos.Sent]]
) -> list[dict[str, Any]]:
    """Every round, what an earlier run has measured left as it is."""
    shots = [each.shot for some in sent.values() for each in some]
    version = classifier.version
    facts = [checkout(), version.digest, options.seconds, CELLS]
    kept = Kept(options.work, key_of(shots, [], facts), say, fresh=options.fresh)
    found: list[dict[str, Any]] = []

    def turn(name: str) -> Turn:
        if name != CEILING:
            return take(name, version, sent, options.seconds, options.cache)
        if FAILED in tried:
            return ceiling_turn(tried)
        return ceiling_turn(ceiling.best(version.path, small, tried["settings"], options.seconds))

    small = [Path(each.shot.path) for each in sent[SMALL]]
    tried: dict[str, Any] = {}
    if CEILING in options.only:
        found_once = partial(ceiling.candidates, version.path, small)
        tried = kept.step("every setting of the ceiling", found_once, lasts=lambda settings: FAILED not in settings)
    with bar(options.rounds * len(options.only), "Turns", unit="turn") as progress:
        for number in range(options.rounds):
            found.append({})
            for name in order(options.only, number):
                # A server that did not start once is tried again by a run that goes on.
                step = f"round {number + 1}, {name}"
                found[-1][name] = kept.step(step, partial(turn, name), lasts=lambda timed: bool(timed["cells"]))
                progress.update()
    return found


if __name__ == "__main__":
    sys.exit(main())
