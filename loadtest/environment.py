"""Locust's environment, see :mod:`twinlens.isolated`: apart from ours since gevent patches the standard library.

``python -m loadtest.environment`` prints its interpreter, for runs of locust by hand.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from benchmarks.results import ROOT
from twinlens import isolated
from twinlens.errors import TwinlensError
from twinlens.isolated import Recipe

RECIPE: Final = Recipe("loadtest", "locust's environment", ROOT / "requirements" / "loadtest.txt", "about 40 MB", 0.3)


def prepare(cache: Path | None = None) -> Path:
    """The environment's interpreter; the environment is made first if it is not there.

    :param cache: folder that keeps environments; :func:`twinlens.isolated.default_cache` by default.
    :raises TwinlensError: as :func:`twinlens.isolated.prepare` does.
    """
    return isolated.prepare(RECIPE, cache).python


def locust_version() -> str:
    """The version of locust that is pinned."""
    found = re.search(r"^locust==(\S+)", RECIPE.requirements.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, f"{RECIPE.requirements} pins no locust"
    return found[1]


def main() -> int:
    """Print the interpreter; status 2 if the environment cannot be made."""
    try:
        sys.stdout.write(f"{prepare()}\n")
    except TwinlensError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
