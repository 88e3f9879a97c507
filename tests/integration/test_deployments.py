"""Servers with the very environment that the recipes of ``bentos/`` give them, and locust as the cluster runs it."""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from loadtest import environment
from loadtest.photos import bundled, gather
from loadtest.plan import Plan, Stage, Thresholds
from tests import images, models
from tests.manifests import (
    CLOUD_RUN,
    LOCUST_CONTAINERFILE,
    container,
    documents,
    end_seconds,
    resource,
    settings,
    variables,
)
from tests.servers import ROOT, free_port, running
from twinlens import isolated
from twinlens.classifier import Classifier

PHOTO = images.encoded(models.picture("blue"), "JPEG")
PODS = {
    "kubernetes": resource("Deployment", "twinlens")["spec"]["template"]["spec"],
    "cloud-run": documents(CLOUD_RUN)[0]["spec"]["template"]["spec"],
}


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_a_server_with_a_recipes_environment_answers_its_probes_and_ends_in_its_time(pod, made):
    metric = resource("HorizontalPodAutoscaler", "twinlens")["spec"]["metrics"][0]["pods"]["metric"]["name"]
    with running({**made, **variables(pod)}, ready=False) as server:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe in container(pod):
                path = container(pod)[probe]["httpGet"]["path"]
                assert httpx.get(f"{server.url}{path}", timeout=10).status_code in (200, 503)
        httpx.post(f"{server.url}/v1/classify", content=PHOTO, timeout=30)
        # The request that asks is itself in progress.
        assert f"\n{metric} 1.0\n" in httpx.get(f"{server.url}/metrics").text
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(end_seconds(settings(pod)))


def locust_command(job, host, port):
    """A job's command, on this machine: the same options, but another address and port."""
    words = container(resource("Job", job)["spec"]["template"]["spec"])["args"]
    here = {"--host": f"--host={host}", "--master-host": "--master-host=127.0.0.1"}
    words = [here.get(word.partition("=")[0], word) for word in words]
    return [*words, f"--master-port={port}" if "--worker" in words else f"--master-bind-port={port}"]


def test_locust_runs_from_what_its_image_holds(server, classifier: Classifier, tmp_path: Path):
    image, build = tmp_path / "image", tmp_path / "checkout" / "build" / "cluster"
    shots = gather(None, classifier, 6, 0.25, tmp_path / "photos", (800, 600)).shots
    plan = Plan(bundled(shots, build), {"one": 2, "phone": 1}, [Stage(4, 4, 10)], Thresholds(failed=0))
    plan.write(build / "plan.json")
    text = LOCUST_CONTAINERFILE.read_text(encoding="utf-8")
    workdir = re.search(r"^WORKDIR (.*)", text, re.MULTILINE)[1]
    for line in re.findall(r"^COPY (.*)", text.partition("WORKDIR")[2], re.MULTILINE):
        *sources, target = line.split()
        (image / target).mkdir(parents=True, exist_ok=True)
        for source in sources:
            file = (tmp_path / "checkout" if source.startswith("build/") else ROOT) / source
            (
                shutil.copytree(file, image / target, dirs_exist_ok=True)
                if file.is_dir()
                else shutil.copy(file, image / target)
            )
    plan_file = re.search(r"^ENV LOADTEST_PLAN=(.*)", text, re.MULTILINE)[1].replace(workdir, str(image))
    locustfile = re.search(r'"-f", "([^"]*)"', text)[1].replace(workdir, str(image))
    python, port = environment.prepare(), free_port()
    variables = {**isolated.variables(), "LOADTEST_PLAN": plan_file, "LOADTEST_SUMMARY": str(tmp_path / "summary")}
    shutil.rmtree(tmp_path / "checkout")
    started = [
        subprocess.Popen(
            [str(python), "-m", "locust", "-f", locustfile, *locust_command(job, server.url, port)],
            cwd=tmp_path,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for job in ["twinlens-locust-master", *["twinlens-locust-workers"] * 2]
    ]
    try:
        outputs = [process.communicate(timeout=180)[0] for process in started]
        assert [process.returncode for process in started] == [0, 0, 0], "\n".join(outputs)
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert '"wrong": 0' in (tmp_path / "summary").read_text()
