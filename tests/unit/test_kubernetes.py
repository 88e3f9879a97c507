"""The cluster's recipes: valid for every Kubernetes that is in use, and in agreement with the server and each other."""

import ast
import copy
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from prometheus_client import CollectorRegistry

from loadtest.environment import locust_version
from tests.manifests import (
    CLOUD_RUN,
    KUBERNETES,
    LOCUST_CONTAINERFILE,
    container,
    documents,
    end_seconds,
    resource,
    resources,
    settings,
    variables,
    workloads,
)
from twinlens import __version__
from twinlens.http import openapi
from twinlens.http.engine import Engine
from twinlens.http.metrics import PROBES, Metrics
from twinlens.settings import ROOT

RESOURCES = list(resources())
KUSTOMIZATIONS = sorted(KUBERNETES.rglob("kustomization.yaml"))
DEPLOYMENT = resource("Deployment", "twinlens")
POD = DEPLOYMENT["spec"]["template"]["spec"]
SERVER = container(POD)
OLDEST = "1.27"
MIB = {"Mi": 1, "Gi": 1024}


def mib(quantity):
    return float(quantity[:-2]) * MIB[quantity[-2:]]


def pods(selector):
    """The names of the workloads whose pods a selector selects."""
    wanted = selector.get("matchLabels", selector).items()
    return [each["metadata"]["name"] for each in workloads() if wanted <= labels(each).items()]


def labels(workload):
    return workload["spec"]["template"]["metadata"]["labels"]


def port_names(name):
    """The named ports of a workload's container."""
    (found,) = [each for each in workloads() if each["metadata"]["name"] == name]
    return {port["name"]: port["containerPort"] for port in container(found["spec"]["template"]["spec"])["ports"]}


def arguments(job):
    """The options of a locust container, by name."""
    args = container(resource("Job", job)["spec"]["template"]["spec"])["args"]
    return {name: value for name, _, value in (each.removeprefix("--").partition("=") for each in args)}


def ids(value):
    return value if isinstance(value, str) else f"{value['kind']}-{value['metadata']['name']}"


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize(("file", "document"), RESOURCES, ids=ids)
def test_every_resource_is_of_its_schema(file, document, version):
    kubernetes_validate.validate(document, version, strict=True)


def test_the_oldest_version_is_named_where_someone_looks_for_it():
    assert f"Kubernetes {OLDEST} or newer" in (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("spec", "strategie"), {}),
        (("spec", "template", "spec", "containers", 0, "readinessProbe", "httpGet", "paths"), "/readyz"),
        (("spec", "template", "spec", "terminationGracePeriodSeconds"), "35"),
        (("spec", "template", "spec", "containers", 0, "env", 0, "value"), 10),
    ],
)
def test_a_mistake_is_seen(keys, value):
    document = copy.deepcopy(DEPLOYMENT)
    place = document
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_a_kustomization_names_every_file_of_its_folder(path):
    listed = yaml.safe_load(path.read_text())["resources"]
    others = {"kustomization.yaml", "prometheus-adapter.yaml"}  # the latter are the values of a chart
    assert sorted(listed) == sorted({each.name for each in path.parent.glob("*.yaml")} - others)


def test_every_image_is_of_this_version_and_is_found_by_kustomize():
    replaced = {}
    for path in KUSTOMIZATIONS:
        for image in yaml.safe_load(path.read_text()).get("images", []):
            assert image["newTag"] == __version__
            replaced[f"{image['name']}:{__version__}"] = f"{image['newName']}:{image['newTag']}"
    named = {container(each["spec"]["template"]["spec"])["image"] for each in workloads()}
    assert named == set(replaced)
    (service,) = documents(CLOUD_RUN)
    assert container(service["spec"]["template"]["spec"])["image"] == replaced[SERVER["image"]]


@pytest.mark.parametrize("workload", workloads(), ids=ids)
def test_pods_can_do_no_more_than_they_need(workload):
    pod = workload["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context = container(pod)["securityContext"]
    assert context == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    (mount,) = container(pod)["volumeMounts"]
    (volume,) = pod["volumes"]
    assert (mount["mountPath"], mount["name"]) == ("/tmp", volume["name"])
    assert "sizeLimit" in volume["emptyDir"]
    resources = container(pod)["resources"]
    assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory"}


@pytest.mark.parametrize("workload", workloads(), ids=ids)
def test_a_policy_says_who_may_talk_to_a_pod_and_whom_it_may_ask(workload):
    name = workload["metadata"]["name"]
    policies = [each for _, each in RESOURCES if each["kind"] == "NetworkPolicy"]
    found = [each["spec"]["policyTypes"] for each in policies if name in pods(each["spec"]["podSelector"])]
    assert ["Ingress", "Egress"] in found


def test_selectors_select_their_own_pods_alone():
    selectors = {"spec": DEPLOYMENT["spec"]["selector"], "spread": POD["topologySpreadConstraints"][0]["labelSelector"]}
    for file, each in RESOURCES:
        if each["kind"] == "NetworkPolicy":
            selectors[f"{file} {each['metadata']['name']}"] = each["spec"]["podSelector"]
        elif each["kind"] in ("Service", "PodDisruptionBudget"):
            selectors[file] = each["spec"]["selector"]
    assert len(selectors) == 9
    for where, selector in selectors.items():
        assert len(pods(selector)) == 1, where
    assert pods(selectors["spec"]) == pods(selectors["service.yaml"]) == pods(selectors["disruption-budget.yaml"])
    target = resource("HorizontalPodAutoscaler", "twinlens")["spec"]["scaleTargetRef"]
    assert (target["apiVersion"], target["kind"], target["name"]) == ("apps/v1", "Deployment", "twinlens")


def test_a_port_is_the_one_that_the_server_listens_on():
    assert port_names("twinlens") == {"http": settings(POD).port}
    annotations = DEPLOYMENT["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(settings(POD).port)
    assert annotations["prometheus.io/path"] in PROBES
    for _, service in RESOURCES:
        if service["kind"] == "Service":
            (name,) = pods(service["spec"]["selector"])
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(port_names(name))


def test_policies_name_ports_that_the_pods_have():
    checked = 0
    for _, policy in RESOURCES:
        if policy["kind"] != "NetworkPolicy":
            continue
        rules = [(rule, policy["spec"]["podSelector"]) for rule in policy["spec"].get("ingress", [])]
        rules += [(rule, peer.get("podSelector", {})) for rule in policy["spec"]["egress"] for peer in rule["to"]]
        for rule, selector in rules:
            for port in rule["ports"]:
                if isinstance(port["port"], str):
                    (name,) = pods(selector)
                    assert port["port"] in port_names(name)
                    checked += 1
    assert checked == 4


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_probes_ask_what_the_server_answers(probe):
    asked = SERVER[probe]["httpGet"]
    assert asked["path"] in PROBES & set(openapi.document()["paths"])
    assert asked["port"] in port_names("twinlens")
    assert asked["path"] == ("/readyz" if probe == "readinessProbe" else "/livez")


def test_a_pod_that_ends_has_its_time_and_is_seen_to_end_within_its_drain():
    assert POD["terminationGracePeriodSeconds"] == end_seconds(settings(POD))
    probe = SERVER["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"] <= settings(POD).drain_s


def test_a_rollout_or_an_emptied_node_leaves_pods_that_serve():
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "replicas" not in DEPLOYMENT["spec"]  # they are the autoscaler's
    fewest = resource("HorizontalPodAutoscaler", "twinlens")["spec"]["minReplicas"]
    assert resource("PodDisruptionBudget", "twinlens")["spec"]["maxUnavailable"] < fewest


def test_threads_and_memory_fit_the_limits():
    limits, wanted = SERVER["resources"]["limits"], settings(POD)
    assert SERVER["resources"]["requests"] == limits
    assert limits["cpu"].isdigit()  # threads are whole
    # Files in hand and arriving, and the largest image that is no JPEG, in RGBA and once more as RGB.
    largest = wanted.max_megapixels * 1e6 * (4 + 3) / 2**20
    assert mib(limits["memory"]) > 2 * (wanted.max_waiting_mib + wanted.max_arriving_bytes / 2**20 + largest)


def test_the_autoscaler_asks_for_a_metric_that_the_server_has():
    (metric,) = resource("HorizontalPodAutoscaler", "twinlens")["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    assert registry.get_sample_value(name) == 0  # a gauge without labels
    (rule,) = documents(KUBERNETES / "prometheus-adapter.yaml")[0]["rules"]["custom"]
    series = re.fullmatch(r'(\w+)\{namespace!="",pod!=""\}', rule["seriesQuery"])
    assert series is not None and series[1] == name
    assert re.sub(rule["name"]["matches"], rule["name"]["as"], series[1]) == name
    assert rule["resources"]["overrides"] == {each: {"resource": each} for each in ("namespace", "pod")}
    for part in ("<<.Series>>{<<.LabelMatchers>>}", "by (<<.GroupBy>>)"):
        assert part in rule["metricsQuery"]
    target = int(metric["pods"]["target"]["averageValue"])
    cores = int(SERVER["resources"]["limits"]["cpu"])
    wanted = replace(settings(POD), decode_threads=cores)
    Engine(wanted, metrics)
    limit = registry.get_sample_value("twinlens_photos_in_hand_limit")
    assert limit is not None
    assert target == cores * (wanted.max_batch_size + 1) < limit / 4  # pods are added long before photos are refused


def test_tracing_opens_the_port_that_it_sends_to():
    (component,) = documents(KUBERNETES / "tracing" / "kustomization.yaml")
    (patch,) = component["patches"]
    assert patch["target"] == {"kind": "Deployment", "name": "twinlens"}
    (change,) = yaml.safe_load(patch["patch"])
    place = DEPLOYMENT
    for key in change["path"].split("/")[1:-1]:
        place = place[int(key) if isinstance(place, list) else key]
    assert place == SERVER["env"]
    assert f"`{change['value']['name']}`" in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    policy = resource("NetworkPolicy", "twinlens-tracing")["spec"]
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert ports == {53, int(change["value"]["value"].rpartition(":")[2])}
    assert policy["podSelector"] == resource("NetworkPolicy", "twinlens")["spec"]["podSelector"]


def test_locusts_workers_and_master_find_each_other_and_the_server():
    master, workers = arguments("twinlens-locust-master"), resource("Job", "twinlens-locust-workers")["spec"]
    assert int(master["expect-workers"]) == workers["parallelism"] == workers["completions"]
    service = resource("Service", arguments("twinlens-locust-workers")["master-host"])["spec"]
    assert [port["port"] for port in service["ports"]] == [5557]  # what locust's workers ask by default
    server = master["host"].removeprefix("http://")
    assert [port["port"] for port in resource("Service", server)["spec"]["ports"]] == [80]


def test_locusts_image_holds_what_the_locustfile_needs():
    text = LOCUST_CONTAINERFILE.read_text(encoding="utf-8")
    copied = [name for line in re.findall(r"^COPY (.*)", text, re.MULTILINE) for name in line.split()[:-1]]
    made = [name for name in copied if name.startswith("build/")]
    assert made == ["build/cluster/plan.json", "build/cluster/plan-bundle/"]
    assert all((ROOT / name).is_file() for name in copied if name not in made)
    assert f"--plan {made[0]} --bundle" in text
    assert "requirements/loadtest.txt" in copied and locust_version()
    tree = ast.parse((ROOT / "loadtest" / "locustfile.py").read_text(encoding="utf-8"))
    ours = {each.module for each in ast.walk(tree) if isinstance(each, ast.ImportFrom) and each.module}
    ours = {name for name in ours if name.startswith("loadtest")}
    assert ours and {f"{name.replace('.', '/')}.py" for name in ours} <= set(copied)
    folder = re.search(r"^WORKDIR (.*)", text, re.MULTILINE)
    assert folder is not None and f"LOADTEST_PLAN={folder[1]}/{made[0]}\n" in text
    user = resource("Job", "twinlens-locust-master")["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
    assert f"USER {user}:" in text
    assert container(resource("Job", "twinlens-locust-master")["spec"]["template"]["spec"])["image"] in text


@pytest.fixture
def kustomize():
    """Renders a kustomization's folder."""
    commands = {"kubectl": ["kubectl", "kustomize"], "kustomize": ["kustomize", "build"]}
    command = next((words for name, words in commands.items() if shutil.which(name)), None)
    if command is None:
        pytest.skip("neither kubectl nor kustomize is installed, which render the kustomizations")

    def render(folder: Path):
        done = subprocess.run([*command, str(folder)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return list(yaml.safe_load_all(done.stdout))

    return render


@pytest.mark.parametrize("folder", [".", "locust"])
def test_kustomize_renders_it(kustomize, folder):
    found = kustomize(KUBERNETES / folder)
    assert len(found) == len([name for name, _ in RESOURCES if Path(name).parent == Path(folder)])
    for document in found:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "twinlens"
        if "template" in document.get("spec", {}):
            assert container(document["spec"]["template"]["spec"])["image"].startswith("registry.example.com/twinlens")


def test_kustomize_adds_tracing(kustomize, tmp_path):
    for name in ("server", "tracing"):  # kustomize takes no absolute paths
        shutil.copytree(KUBERNETES / ("" if name == "server" else name), tmp_path / name)
    own = tmp_path / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text('resources: ["../server"]\ncomponents: ["../tracing"]\n')
    found = kustomize(own)
    (deployment,) = [each for each in found if each["kind"] == "Deployment"]
    added = set(variables(deployment["spec"]["template"]["spec"])) - set(variables(POD))
    assert added == {"OTEL_EXPORTER_OTLP_ENDPOINT"}
    assert [each["metadata"]["name"] for each in found if each["kind"] == "NetworkPolicy"] == [
        "twinlens",
        "twinlens-tracing",
    ]
