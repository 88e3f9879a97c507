"""Headless Chromium through Playwright's synchronous API, started the same way by every test and measurement.

The machine's own Chromium is preferred, since a package manager keeps it up to date; else the one that Playwright
downloaded. It makes no request of its own, so whatever is seen on the network came from the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Playwright, sync_playwright

from twinlens.errors import TwinlensError

SYSTEM_CHROMIUM: Final = Path("/usr/bin/chromium")

_ARGUMENTS: Final = (
    # Chromium refuses to start its sandbox as root, which is what containers and CI run as.
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_WEBGL_ARGUMENTS: Final = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")


def find_chromium(playwright: Playwright) -> Path:
    """The Chromium to start.

    :raises TwinlensError: ``missing_requirement`` if there is none, with the command that installs one.
    """
    downloaded = Path(playwright.chromium.executable_path)
    for path in (SYSTEM_CHROMIUM, downloaded):
        if path.is_file():
            return path
    raise TwinlensError(
        "missing_requirement",
        f"There is no Chromium at {SYSTEM_CHROMIUM} or {downloaded}. Run `apt-get install chromium` as root on Debian "
        "or Ubuntu, or `python -m playwright install chromium` anywhere else.",
    )


@contextmanager
def chromium(*, webgl: bool = False, arguments: Sequence[str] = ()) -> Iterator[Browser]:
    """Start headless Chromium; it is gone when the block ends.

    :param webgl: give pages a WebGL drawn in software (SwiftShader), the same on every machine.
    :param arguments: further command-line arguments.
    :raises TwinlensError: ``missing_requirement`` if there is no Chromium.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(playwright),
            args=[*_ARGUMENTS, *(_WEBGL_ARGUMENTS if webgl else ()), *arguments],
        )
        try:
            yield browser
        finally:
            browser.close()


def main() -> int:
    """Print which Chromium would be started, or what to do to have one (status 2)."""
    with sync_playwright() as playwright:
        try:
            sys.stdout.write(f"Chromium: {find_chromium(playwright)}\n")
        except TwinlensError as error:
            sys.stderr.write(f"{error}\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
