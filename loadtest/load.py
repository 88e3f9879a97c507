"""Run locust, in its own environment, and read what came of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.results import ROOT
from loadtest.plan import Plan, Summary
from twinlens.errors import TwinlensError
from twinlens.isolated import variables

LOCUSTFILE: Final = ROOT / "loadtest" / "locustfile.py"
_STOP_SECONDS: Final = 600
"""How long users may take to end what they have begun; on a slow line that is minutes."""
_WORKERS_SECONDS: Final = 60
_SLACK_SECONDS: Final = 120


@dataclass(frozen=True)
class Load:
    """One run: what came of it, locust's exit status, and what it printed."""

    summary: Summary
    status: int
    output: str


def run(python: Path, plan: Plan, url: str, out: Path, more: Sequence[str] = ()) -> Load:
    """Run a plan against a server, headless.

    :param python: the interpreter of locust's environment.
    :param out: where the files go, without suffix: the plan and the summary, and locust's own CSV and HTML.
    :param more: further arguments of locust, ``--processes 2`` for instance.
    :raises TwinlensError: ``internal`` if locust ends without a summary.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    plan_file, summary = (out.with_name(f"{out.name}.{suffix}.json") for suffix in ("plan", "summary"))
    plan.write(plan_file)
    summary.unlink(missing_ok=True)
    command = [str(python), "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--host", url, "--only-summary"]
    command += ["--stop-timeout", str(_STOP_SECONDS), "--csv", str(out), "--html", f"{out}.html"]
    # Workers that cannot reach their master must not keep it waiting for ever.
    command += ["--expect-workers-max-wait", str(_WORKERS_SECONDS), *more]
    seconds = sum(stage.seconds for stage in plan.stages) + _STOP_SECONDS + _SLACK_SECONDS
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=variables() | {"LOADTEST_PLAN": str(plan_file), "LOADTEST_SUMMARY": str(summary)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    if not summary.is_file():
        raise TwinlensError("internal", f"locust ended with status {done.returncode}: {done.stdout.strip()[-1500:]}")
    return Load(json.loads(summary.read_bytes()), done.returncode, done.stdout)
