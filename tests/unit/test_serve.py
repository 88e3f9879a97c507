import os
import socket
from dataclasses import replace
from types import SimpleNamespace

import pytest

from twinlens import serve as serving
from twinlens.errors import TwinlensError


@pytest.fixture
def never_started(monkeypatch):
    def start(*arguments, **options):
        raise AssertionError("the server was started")

    monkeypatch.setattr(serving, "serve_http", start)


def refused(settings):
    with pytest.raises(TwinlensError) as caught:
        serving.serve(settings)
    return caught.value


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_said_so_with_another(never_started, settings, taken):
    error = refused(replace(settings, port=taken))
    assert error.code == "port_in_use"
    assert f"Port {taken} " in error.detail and f"--port {taken + 1 if taken < 65535 else taken - 1}" in error.detail


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "a..b", "x" * 300])
def test_an_address_that_is_not_this_machines(never_started, settings, host):
    assert refused(replace(settings, host=host)).code == "invalid_setting"


def test_a_missing_model_is_found_before_anything_starts(never_started, settings, tmp_path):
    assert refused(replace(settings, models=tmp_path)).code == "model_not_found"


def test_without_service_py_there_is_nothing_to_serve(never_started, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "ROOT", tmp_path)
    assert refused(settings).code == "missing_requirement"


def test_the_server_is_started_with_the_deadlines_that_are_set(settings, monkeypatch):
    given = {}
    monkeypatch.setattr(serving.os, "environ", dict(os.environ))
    monkeypatch.setattr(serving.circus, "create_standalone_arbiter", serving.circus.create_standalone_arbiter)
    monkeypatch.setattr(serving.BentoMLContainer, "prometheus_multiproc_dir", SimpleNamespace(set=given.setdefault))
    monkeypatch.setattr(serving, "configure_server_logging", lambda: None)
    monkeypatch.setattr(serving.logs, "configure", lambda form: None)
    monkeypatch.setattr(serving, "load", lambda *_, **__: SimpleNamespace(inject_config=lambda: None))
    monkeypatch.setattr(serving, "serve_http", lambda service, **options: given.update(options))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serving.serve(replace(settings, port=port, keep_alive_s=620, grace_s=7))
    assert (given["timeout_keep_alive"], given["timeout_graceful_shutdown"], given["port"]) == (620, 7, port)
