"""A worker ends with the process that started it: one that lived on would hold the port and answer for nobody."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import Final

logger = logging.getLogger("twinlens")

_POLL_SECONDS: Final = 1.0


def end_with_parent() -> asyncio.Task[None]:
    """Watch the parent process from the running event loop; when it is gone, end this one as Ctrl-C does.

    A parent that ends as it should tells its workers itself. One that is killed cannot, and whoever starts it again
    needs the port now rather than after a drain.
    """
    return asyncio.get_running_loop().create_task(_watch(os.getppid()))


async def _watch(parent: int) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(_POLL_SECONDS)
    logger.error("The process that started this worker was killed; the worker ends.")
    os.kill(os.getpid(), signal.SIGINT)
