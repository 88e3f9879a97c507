"""The deployment recipes of ``bentos/``, as tests read them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from twinlens.settings import PREFIX, ROOT, Settings

KUBERNETES: Final = ROOT / "bentos" / "kubernetes"
CLOUD_RUN: Final = ROOT / "bentos" / "cloud-run" / "service.yaml"
LOCUST_CONTAINERFILE: Final = KUBERNETES / "locust" / "Containerfile"

Document = dict[str, Any]


def documents(path: Path) -> list[Document]:
    """What one file holds."""
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each is not None]


def resources() -> Iterator[tuple[str, Document]]:
    """Every resource of the cluster, under the path of its file; not what tells kustomize or a chart what to do."""
    for path in sorted(KUBERNETES.rglob("*.yaml")):
        if path.name not in ("kustomization.yaml", "prometheus-adapter.yaml"):
            for document in documents(path):
                yield path.relative_to(KUBERNETES).as_posix(), document


def resource(kind: str, name: str) -> Document:
    """The one resource of a kind and a name."""
    (found,) = [each for _, each in resources() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def workloads() -> list[Document]:
    """The resources that make pods."""
    return [each for _, each in resources() if "template" in each.get("spec", {})]


def container(pod: Mapping[str, Any]) -> Document:
    """The one container of a pod's spec."""
    (found,) = pod["containers"]
    return dict(found)


def variables(pod: Mapping[str, Any]) -> dict[str, str]:
    """The environment that a pod's spec gives its container."""
    return {each["name"]: each["value"] for each in container(pod)["env"]}


def settings(pod: Mapping[str, Any]) -> Settings:
    """The settings that a server in that pod has, read as the server reads them."""
    return Settings.from_environment({name: value for name, value in variables(pod).items() if name.startswith(PREFIX)})


def end_seconds(settings: Settings) -> float:
    """How long a server may take from SIGTERM to its end: drain, grace, and what docs/operations.md adds to both."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    more = re.search(r"must be at least both and (\d+) seconds", text)
    assert more is not None
    return settings.drain_s + settings.grace_s + int(more[1])
