"""What is checked: the image as it lies there, and the server that runs from it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from benchmarks.container.archive import MODULES, TOOLS, Image, Layer, unwanted
from benchmarks.container.engine import Engine
from benchmarks.container.server import Server, ask, running, status
from benchmarks.results import ROOT
from twinlens import golden
from twinlens.http.pages import told_of_server
from twinlens.inference import softmax
from twinlens.store import ModelVersion

DRAIN_S: Final = 2
GRACE_S: Final = 5
_OTHER_USER: Final = "54321:54321"
_NUMBER: Final = re.compile(r"[1-9][0-9]*(:[0-9]+)?")
_LABELS: Final = ("title", "description", "licenses", "version", "revision", "base.name")
_ENTRYPOINT: Final = "/app/src/bentos/container/entrypoint"
# Written by engines rather than by what runs, when a container is started; whatever else lies in /run is listed itself.
_ENGINES_OWN: Final = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run", "/run/.containerenv"}
_REPLACED_SECONDS: Final = 120.0
_SCORE_TOLERANCE: Final = 1e-5
_SHOWN: Final = 5


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it is as it must be, and what was found."""

    name: str
    passed: bool
    found: str

    def to_json(self) -> dict[str, Any]:
        """The check as it stands in a result file."""
        return {"kind": "check", "name": self.name, "passed": self.passed, "found": self.found}


def of_image(image: Image, layers: Sequence[Layer]) -> Iterator[Check]:
    """What can be seen without running it.

    :param layers: those of the application.
    """
    config = image.config
    extra = unwanted(layers)
    yield Check("no torch, TensorFlow, compiler or git in the application's layers", not extra, _listed(extra))
    user = config.get("User") or ""
    yield Check("the user is a number and not 0", _NUMBER.fullmatch(user) is not None, user or "root")
    labels = config.get("Labels") or {}
    missing = [name for name in _LABELS if not labels.get(f"org.opencontainers.image.{name}")]
    yield Check("labels of the OCI image specification", not missing, f"missing: {_listed(missing)}")
    test = (config.get("Healthcheck") or {}).get("Test") or []
    yield Check("it has a health check", len(test) > 1, " ".join(test) or "none")


def as_shipped(engine: Engine, image: str, version: ModelVersion) -> Iterator[Check]:
    """The server as the image starts it, with nothing set but ``PORT`` and the seconds of its end."""
    settings = {"PORT": "{port}", "TWINLENS_DRAIN_S": str(DRAIN_S), "TWINLENS_GRACE_S": str(GRACE_S)}
    with running(engine, image, settings) as server:
        yield Check("PORT is honoured", True, "ready at the port that PORT names")
        yield _golden(server, version)
        page = httpx.get(server.url).content
        built = told_of_server((ROOT / "web" / "dist" / "index.html").read_bytes())
        yield Check("the page is served", page == built, f"{len(page)} bytes, {len(built)} built")
        seen = _facts(server)
        users = {each["role"]: each["uid"] for each in seen["processes"]}
        passed = set(users) == {"supervisor", "worker"} and 0 not in users.values()
        yield Check("no process is root's", passed, ", ".join(f"{role}: {uid}" for role, uid in users.items()))
        yield Check("torch and TensorFlow can't be imported", not seen["modules"], _listed(seen["modules"]))
        yield Check("no compiler and no git in PATH", not seen["tools"], _listed(seen["tools"]))
        server.container.execute([_ENTRYPOINT, "healthy"])
        yield Check("the health check passes", True, "status 0 while it is ready")
        yield _replaced(server, version)
        changed = _outside(_facts(server)["changed"])
        yield Check("nothing is written but /tmp", not changed, _listed(changed))
        yield _end(server)


def as_another_user(engine: Engine, image: str, version: ModelVersion) -> Iterator[Check]:
    """The server with another user's id, its tree kept from being written as the engine can."""
    settings = {"PORT": "1", "TWINLENS_PORT": "{port}"}
    with running(engine, image, settings, user=_OTHER_USER, unwritable=True) as server:
        yield Check("TWINLENS_PORT stands over PORT", True, "ready at the port that TWINLENS_PORT names")
        seen = _facts(server)
        users = {each["uid"] for each in seen["processes"]}
        passed = users == {int(_OTHER_USER.split(":")[0])}
        yield Check("it runs as any user", passed, f"user ids: {_listed(sorted(map(str, users)))}")
        writable = _outside(seen["writable"])
        yield Check("its tree can't be written to, and it is ready", not writable, f"writable: {_listed(writable)}")
        answer = _golden(server, version)
        yield Check(f"{answer.name} there too", answer.passed, answer.found)


def _golden(server: Server, version: ModelVersion) -> Check:
    """Every golden picture, sent to the server, against the trained network's answer."""
    contract = version.contract
    worst, count = 0.0, 0
    for case in golden.cases(version):
        answer = httpx.post(
            f"{server.url}/v1/classify", params={"top_k": len(contract.label_names)}, content=version.read(case.image)
        )
        found = {each["label"]: each["score"] for each in answer.raise_for_status().json()["predictions"]}
        expected = softmax(case.logits, contract.temperature)
        differences = (
            abs(found[name] - float(score)) for name, score in zip(contract.label_names, expected, strict=True)
        )
        worst, count = max(worst, *differences), count + 1
    return Check(
        "golden pictures get their golden answers",
        worst <= _SCORE_TOLERANCE,
        f"{count} pictures, largest difference of a score {worst:.1e} (at most {_SCORE_TOLERANCE:g})",
    )


def _replaced(server: Server, version: ModelVersion) -> Check:
    """Kill the worker, and wait for another one that is ready."""
    killed = ask(server.container, "kill_worker")["pid"]
    began = time.monotonic()
    while time.monotonic() - began < _REPLACED_SECONDS:
        if status(server.url, "/readyz") == 200:
            processes = _facts(server)["processes"]
            workers = [each["pid"] for each in processes if each["role"] == "worker"]
            if workers and killed not in workers:
                seconds = time.monotonic() - began
                passed = _golden(server, version).passed
                return Check("a killed worker is replaced", passed, f"ready again within {seconds:.0f} s")
        time.sleep(0.2)
    return Check("a killed worker is replaced", False, f"not within {_REPLACED_SECONDS:g} s")


def _end(server: Server) -> Check:
    """SIGTERM: unready at once but still answering, then an orderly end."""
    began = time.monotonic()
    server.container.terminate()
    seen = set()
    while time.monotonic() - began < DRAIN_S / 2:
        seen.add((status(server.url, "/readyz"), status(server.url, "/livez")))
        time.sleep(0.05)
    code = server.container.wait(DRAIN_S + GRACE_S + 30)
    seconds = time.monotonic() - began
    passed = code == 0 and seconds <= DRAIN_S + GRACE_S and (503, 200) in seen
    return Check(
        "SIGTERM drains and ends it within drain and grace, with status 0",
        passed,
        f"status {code} after {seconds:.1f} s (drain {DRAIN_S} s, grace {GRACE_S} s), "
        f"{'unready and answering' if (503, 200) in seen else 'not seen to drain'} meanwhile",
    )


def _facts(server: Server) -> dict[str, Any]:
    return ask(server.container, "facts", modules=MODULES, tools=TOOLS, root="/", since=server.started)


def _outside(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if path not in _ENGINES_OWN]


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
