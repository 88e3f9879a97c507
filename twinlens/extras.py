"""Packages that only some commands need, and a server does not: brought in when they are used.

Each belongs to an extra of ``pyproject.toml``, which the error for an absent one names.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

from twinlens.errors import TwinlensError

EXTRAS: Final = {"faiss": "similar", "pyarrow": "bulk", "ray": "ray"}
"""Each package, by the name that it is imported by, and its extra."""


def need(module: str) -> Any:
    """Import a module of a package of :data:`EXTRAS`.

    :param module: its full name, as in ``pyarrow.parquet``.
    :raises TwinlensError: ``missing_requirement`` if the package is not installed, or cannot be loaded here.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        why = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be loaded ({error})"
        raise TwinlensError(
            "missing_requirement",
            f"{package} {why}. This needs the extra '{EXTRAS[package]}': pip install 'twinlens[{EXTRAS[package]}]', or "
            f"pip install '.[{EXTRAS[package]}]' in a checkout.",
        ) from None
