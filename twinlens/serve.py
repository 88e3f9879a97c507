"""Run the BentoML server in the foreground, after everything that can be wrong was looked at.

BentoML's supervisor starts a worker again that ends, again and again; a taken port or a missing model would show as an
endless log. So they are errors here, before it starts.
"""

from __future__ import annotations

import functools
import logging
import os
import signal
import tempfile
from collections.abc import Callable
from typing import Any, Final

from _bentoml_impl.loader import load
from _bentoml_impl.server import serve_http
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.log import configure_server_logging
from bentoml._internal.utils import circus

from twinlens.address import free_address
from twinlens.errors import TwinlensError
from twinlens.http import logs
from twinlens.settings import ROOT, Settings
from twinlens.store import open_current

SERVICE: Final = "service:Twinlens"
_SUPERVISED: Final = "BENTOML_CONTAINERIZED"
"""Set in the images that BentoML builds; its supervisor then ends with the first worker that dies."""
_LOOK_SECONDS: Final = 1.0
"""How often the supervisor looks for a worker that died: BentoML's ten seconds are long where there is one worker."""

logger = logging.getLogger("bentoml.serve")


def serve(settings: Settings) -> None:
    """Serve until the process is told to end; then the whole tree of processes ends.

    :raises TwinlensError: ``port_in_use``, ``invalid_setting`` for an address that cannot be listened on,
        ``missing_requirement`` where the package lies without ``service.py`` or without what feedback needs, or what is
        wrong with the model.
    """
    if not (ROOT / "service.py").is_file():
        raise TwinlensError(
            "missing_requirement",
            f"There is no service.py in {ROOT}. Run twinlens from a checkout (pip install -e .), or serve a bento.",
        )
    version = open_current(settings.model_folder)
    version.read(version.contract.graphs.onnx.path)
    address = free_address(settings.host, settings.port, "twinlens serve")
    if settings.feedback:
        from twinlens.feedback.desk import require_feedback  # with the libraries of databases, which others need not

        require_feedback(settings)
    os.environ.update(settings.to_environment())
    # Nothing leaves the machine unasked: BentoML would report its use.
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")
    os.environ.pop(_SUPERVISED, None)
    configure_server_logging()
    logs.configure(settings.log_format)
    service = load(SERVICE, working_dir=str(ROOT))
    service.inject_config()
    # The one place where BentoML's supervisor can be reached: serve_http makes it and runs it.
    circus.create_standalone_arbiter = functools.partial(_supervisor, circus.create_standalone_arbiter)
    # Servers under one BENTOML_HOME would share, and delete, each other's metrics.
    with tempfile.TemporaryDirectory(prefix="twinlens-metrics-") as metrics:
        BentoMLContainer.prometheus_multiproc_dir.set(metrics)
        serve_http(
            SERVICE,
            working_dir=str(ROOT),
            host=address,
            port=settings.port,
            timeout_keep_alive=settings.keep_alive_s,
            timeout_graceful_shutdown=settings.grace_s,
        )


def _supervisor(create: Callable[..., Any], **options: Any) -> Any:
    """BentoML's supervisor, made to see sooner that a worker died, and to tell Ctrl-C from SIGTERM.

    Its workers have sessions of their own, so that a terminal's signal reaches the supervisor alone, and are sent
    SIGTERM whatever that was: someone at a terminal would wait for a drain that is meant for load balancers.
    """
    supervisor = create(**options, check_delay=_LOOK_SECONDS)
    handler = supervisor.ctrl.sys_hdl

    def interrupted() -> None:
        for watcher in supervisor.iter_watchers():
            if watcher.stop_signal == signal.SIGINT:  # once more: wait for nothing
                for worker in watcher.get_active_pids():
                    os.kill(worker, signal.SIGINT)
            watcher.stop_signal = signal.SIGINT
        handler.quit()

    handler.handle_int = interrupted
    return supervisor
