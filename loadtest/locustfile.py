"""Locust's users: one photo at a time, a burst, a phone's photo, a visit to the page. ``docs/loadtest.md`` runs it.

``LOADTEST_PLAN`` names the plan (:mod:`loadtest.plan`), for the master and for every worker; ``LOADTEST_SUMMARY``,
where it is set, the file that the summary goes to. Every answer is checked against the golden one, and the plan's
thresholds decide the exit status.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
from pathlib import Path
from typing import Any, Final

from gevent.pool import Pool
from locust import FastHttpUser, LoadTestShape, between, events, task
from locust.runners import WorkerRunner

# Locust loads this file by its path; the worker processes of other machines need not start in the checkout.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from loadtest.plan import Shot, Stage, Summary, broken, problem, read, stage_at

PLAN: Final = read(Path(os.environ.get("LOADTEST_PLAN", "build/loadtest/plan.json")))
BODIES: Final = {shot.path: Path(shot.path).read_bytes() for shot in PLAN.shots}
PHOTOS: Final = [shot for shot in PLAN.shots if shot.kind == "photo"]
PHONE: Final = [shot for shot in PLAN.shots if shot.kind == "phone"]
VISIT: Final = "visit"


# Types are checked in an environment without locust, where all of it is Any.
class Visitor(FastHttpUser):  # type: ignore[misc]
    """What all users have in common. Each starts at another photo, and then takes them in order."""

    abstract = True
    wait_time = between(PLAN.pause_seconds / 2, PLAN.pause_seconds * 1.5)
    network_timeout = connection_timeout = 600.0

    def on_start(self) -> None:
        """Choose where to start."""
        self.photos = _in_turn(PHOTOS or PHONE)
        self.phone = _in_turn(PHONE or PHOTOS)

    def classify(self, shot: Shot) -> None:
        """Send one photo and check the answer."""
        with self.client.post(
            "/v1/classify?top_k=1",
            data=BODIES[shot.path],
            headers={"Content-Type": shot.media_type},
            name=shot.kind,
            catch_response=True,
        ) as response:
            wrong = problem(shot, response.status_code, response.text)
            if wrong is None:
                response.success()
            else:
                response.failure(wrong)


class OnePhoto(Visitor):
    """One photo, a pause, the next one."""

    weight = PLAN.users.get("one", 0)
    abstract = weight == 0

    @task  # type: ignore[untyped-decorator]
    def one(self) -> None:
        """Send it."""
        self.classify(next(self.photos))


class Burst(Visitor):
    """Several photos at once, on as many connections as a browser opens."""

    weight = PLAN.users.get("burst", 0)
    abstract = weight == 0
    concurrency = 6

    @task  # type: ignore[untyped-decorator]
    def burst(self) -> None:
        """Send them."""
        pool = Pool(self.concurrency)
        for shot in itertools.islice(self.photos, PLAN.burst):
            pool.spawn(self.classify, shot)
        pool.join()


class PhonePhoto(Visitor):
    """A photo as a phone takes it: 12 megapixels, 3 to 5 MB."""

    weight = PLAN.users.get("phone", 0)
    abstract = weight == 0

    @task  # type: ignore[untyped-decorator]
    def phone_photo(self) -> None:
        """Send it."""
        self.classify(next(self.phone))


class Visit(Visitor):
    """A first visit to the page that answers on the device: every file of it, and of its model."""

    weight = PLAN.users.get("visit", 0)
    abstract = weight == 0

    @task  # type: ignore[untyped-decorator]
    def visit(self) -> None:
        """Fetch the files, one after the other; the page's own comes first, and counts the visits."""
        for index, path in enumerate(PLAN.page):
            self.client.get(path, name=VISIT if index == 0 else "file")


class Stages(LoadTestShape):  # type: ignore[misc]
    """The plan's stages, one after the other; the run ends with the last one."""

    def tick(self) -> tuple[int, float] | None:
        """How many users there are to be now."""
        stage: Stage | None = stage_at(PLAN.stages, self.get_run_time())
        return None if stage is None else (stage.users, stage.spawn_rate)


def _in_turn(shots: list[Shot]) -> Any:
    start = random.randrange(len(shots)) if shots else 0
    return itertools.cycle(shots[start:] + shots[:start])


def summarise(stats: Any) -> Summary:
    """What came of a run, out of locust's statistics; of a distributed run those of all workers."""
    total = stats.total
    wrong = [error for error in stats.errors.values() if "wrong answer" in str(error.error)]
    seconds = max((total.last_request_timestamp or total.start_time) - total.start_time, 1e-9)
    visit = stats.get(VISIT, "GET")
    return {
        "requests": total.num_requests,
        "failed": total.num_failures,
        "wrong": sum(error.occurrences for error in wrong),
        "per_second": total.num_requests / seconds,
        "p50_ms": total.get_response_time_percentile(0.5) or 0.0,
        "p95_ms": total.get_response_time_percentile(0.95) or 0.0,
        "visits": visit.num_requests - visit.num_failures,
        "errors": sorted({f"{error.name}: {error.error}" for error in stats.errors.values()})[:20],
    }


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def decide(environment: Any, **_: Any) -> None:
    """Hold the run to the thresholds, once and not in every worker."""
    if isinstance(environment.runner, WorkerRunner):
        return
    summary = summarise(environment.stats)
    for line in (missed := broken(PLAN.thresholds, summary)):
        sys.stderr.write(f"threshold: {line}\n")
    environment.process_exit_code = 1 if missed else 0
    if path := os.environ.get("LOADTEST_SUMMARY"):
        Path(path).write_text(json.dumps(summary, ensure_ascii=False), encoding="utf-8")
