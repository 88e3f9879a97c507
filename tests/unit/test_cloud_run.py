"""The recipe for Cloud Run: of the form that its documentation gives, and in agreement with the server's settings."""

from dataclasses import replace

import kubernetes_validate
import pytest
from prometheus_client import CollectorRegistry

from tests.manifests import CLOUD_RUN, container, documents, end_seconds, settings, variables
from twinlens.http import openapi
from twinlens.http.engine import Engine
from twinlens.http.metrics import PROBES, Metrics
from twinlens.settings import variable

# https://cloud.google.com/run/docs/reference/yaml/v1 and /run/docs/container-contract
REVISION_FIELDS = {"containerConcurrency", "timeoutSeconds"}
ANNOTATIONS = {
    "run.googleapis.com/ingress",
    "run.googleapis.com/startup-cpu-boost",
    "autoscaling.knative.dev/minScale",
    "autoscaling.knative.dev/maxScale",
}
RESERVED = {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"}
SECONDS_AFTER_SIGTERM = 10
MOST_STARTUP_SECONDS = 240

(SERVICE,) = documents(CLOUD_RUN)
TEMPLATE = SERVICE["spec"]["template"]
POD = TEMPLATE["spec"]
SERVER = container(POD)


def test_it_has_the_form_of_a_knative_service():
    assert (SERVICE["apiVersion"], SERVICE["kind"]) == ("serving.knative.dev/v1", "Service")
    assert set(SERVICE) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(SERVICE["spec"]) == {"template", "traffic"}
    assert SERVICE["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]
    annotations = SERVICE["metadata"]["annotations"] | TEMPLATE["metadata"]["annotations"]
    assert set(annotations) <= ANNOTATIONS and all(isinstance(value, str) for value in annotations.values())
    # What is left is a part of Kubernetes' PodSpec; there, a probe must name its port.
    rest = {name: value for name, value in POD.items() if name not in REVISION_FIELDS}
    assert set(rest) == {"containers"}
    port = SERVER["ports"][0]["containerPort"]
    probes = {name: probe | {"httpGet": probe["httpGet"] | {"port": port}} for name, probe in server_probes().items()}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"containers": [SERVER | probes]}}
    kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)


def server_probes():
    return {name: value for name, value in SERVER.items() if name.endswith("Probe")}


def test_the_port_is_cloud_runs_to_name():
    assert not RESERVED & set(variables(POD))
    assert variable("port") not in variables(POD)  # it would stand above PORT
    (port,) = SERVER["ports"]
    assert port == {"name": "http1", "containerPort": settings(POD).port}


def test_an_instance_ends_before_it_is_killed():
    assert settings(POD).drain_s == 0
    assert end_seconds(settings(POD)) <= SECONDS_AFTER_SIGTERM


def test_more_instances_start_before_photos_are_refused():
    registry = CollectorRegistry()
    Engine(replace(settings(POD), decode_threads=int(SERVER["resources"]["limits"]["cpu"])), Metrics(registry))
    limit = registry.get_sample_value("twinlens_photos_in_hand_limit")
    assert limit is not None
    assert settings(POD).max_batch_size <= POD["containerConcurrency"] < limit
    assert POD["timeoutSeconds"] > settings(POD).timeout_s


@pytest.mark.parametrize(("probe", "path"), [("startupProbe", "/readyz"), ("livenessProbe", "/livez")])
def test_probes_ask_what_the_server_answers_as_often_as_is_allowed(probe, path):
    asked = SERVER[probe]
    assert asked["httpGet"] == {"path": path}
    assert path in PROBES & set(openapi.document()["paths"])
    assert asked["timeoutSeconds"] <= asked["periodSeconds"]
    assert probe != "startupProbe" or asked["periodSeconds"] * asked["failureThreshold"] <= MOST_STARTUP_SECONDS
