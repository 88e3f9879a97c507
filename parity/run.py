"""The whole comparison: photos, PNG copies and large copies through a running server and a browser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from playwright.sync_api import Browser
from tqdm import tqdm

from benchmarks.results import Goal
from parity.compare import Comparison, png_goals, score_goals
from parity.photos import Photo, large_copies, png_copies
from parity.sides import ask_page, ask_server
from twinlens.contract import Contract
from twinlens.decode import Limits
from twinlens.golden import input_sha256
from twinlens.preprocess import load

Item = TypeVar("Item")


@dataclass(frozen=True)
class Parity:
    """The comparisons of one run, by group."""

    photos: list[Comparison]
    png: list[Comparison]
    large: list[Comparison]

    @property
    def goals(self) -> list[Goal]:
        """Every goal, the missed ones too."""
        return [*score_goals(self.photos), *score_goals(self.large, "large_"), *png_goals(self.png)]


def run(photos: Sequence[Photo], large: int, folder: Path, contract: Contract, url: str, browser: Browser) -> Parity:
    """Compare server and page.

    :param photos: what to compare on, and to make the copies of.
    :param large: how many large JPEGs to make.
    :param folder: an empty folder for the copies.
    :param contract: the contract of the model that the server at ``url`` has.
    """
    for name in ("png", "large"):
        (folder / name).mkdir()
    png = _collect(png_copies(photos, folder / "png", contract), len(photos), "PNG copies made")
    made = _collect(large_copies(photos, large, folder / "large", contract), large, "large photos made")
    return Parity(
        _compare(photos, contract, url, browser, "photos"),
        _compare(png, contract, url, browser, "PNG copies", inputs=True),
        _compare(made, contract, url, browser, "large photos"),
    )


def _compare(
    photos: Sequence[Photo], contract: Contract, url: str, browser: Browser, name: str, *, inputs: bool = False
) -> list[Comparison]:
    paths = [photo.path for photo in photos]
    server = _collect(ask_server(url, paths, contract.label_names), len(paths), f"{name}: server")
    page = _collect(ask_page(browser, url, paths, contract.label_names), len(paths), f"{name}: page")
    return [
        Comparison(
            photo,
            server[index],
            page[index],
            input_sha256(load(photo.path.read_bytes(), contract, Limits())) if inputs else None,
        )
        for index, photo in enumerate(photos)
    ]


def _collect(items: Iterable[Item], total: int, name: str) -> list[Item]:
    return list(tqdm(items, name, total, unit=" photos"))
