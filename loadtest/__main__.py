"""``python -m loadtest [PHOTOS]``: write ``docs/results/loadtest.json``, and the report beside it."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence

from benchmarks.arguments import reported
from benchmarks.results import commit, outcome, result, write_result
from loadtest import environment, figures
from loadtest.measure import measure
from loadtest.options import Options, parse
from loadtest.photos import gather
from loadtest.processes import require_proc
from loadtest.report import render
from twinlens.classifier import Classifier
from twinlens.settings import Settings
from twinlens.store import write_atomically


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the load test; status 1 if a goal is missed, 2 if something is not as it must be."""
    return reported(lambda: _run(parse(arguments)))


def _run(options: Options) -> int:
    began = time.monotonic()
    measured_at = commit()

    def say(line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        sys.stderr.write(f"[{minutes:3}:{seconds:02}] {line}\n")
        sys.stderr.flush()

    require_proc()
    logging.getLogger("PIL").setLevel(logging.ERROR)
    python = environment.prepare()
    classifier = Classifier.current(Settings.from_environment())
    say("photos, and their golden answers")
    gathered = gather(
        options.photos, classifier, options.count, options.phone_share, options.work / "photos", options.phone_size
    )
    measured = measure(options, gathered, classifier.version.digest, python, say)
    found = figures.rows(measured, gathered, options)
    model = classifier.contract.model
    content = result(
        options.command,
        found,
        figures.goals(found, measured),
        commit=measured_at,
        definitions=figures.DEFINITIONS,
        versions={
            "chromium": next(iter(measured.cells.values()))["chromium"],
            "locust": environment.locust_version(),
        },
        facts={
            "model": {"name": model.name, "version": model.version},
            "photos": {
                "of_a_visit": len(gathered.shots),
                "different": len({shot.path for shot in gathered.shots}),
                "phone": sum(shot.kind == "phone" for shot in gathered.shots),
                "undecided": gathered.undecided,
                "made": options.photos is None,
            },
            "networks": [network._asdict() for network in options.networks],
            "devices": [{"name": device.name, "factor": device.factor} for device in options.devices],
            "core_hour": options.core_hour,
        },
    )
    write_result(options.out, content)
    page = options.out.with_suffix(".html")
    write_atomically(page, render(content))
    for goal in content["goals"]:
        sys.stdout.write(f"{outcome(goal)}\n")
    sys.stdout.write(f"Written: {options.out} and {page}\n")
    return 0 if all(goal["met"] for goal in content["goals"]) else 1


if __name__ == "__main__":
    sys.exit(main())
