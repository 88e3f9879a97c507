"""README's table of ``make loadtest``: first answers by line, class of device and way, and when the device wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.results import measured_with, read_result

_WAYS: Final = ("device", "original", "shrunk")
_AGAINST: Final = _WAYS[1:]
_HEAD: Final = (
    "| Line | Device | First answer, s | Hundredth, s | Warm photo, ms | The device wins from photo |",
    "| --- | --- | --- | --- | --- | --- |",
)
_NONE: Final = "–"


def loadtest_table(path: Path) -> str:
    """The result of ``make loadtest`` as Markdown.

    :param path: the result file.
    :raises TwinlensError: ``invalid_data`` if there is no such file.
    """
    content = read_result(path)
    cells = [row for row in content["rows"] if row["kind"] == "cell"]
    wins = [row for row in content["rows"] if row["kind"] == "win" and row["visit"] == "first"]
    places = list(dict.fromkeys((row["network"], row["device"]) for row in cells))
    return "\n".join(
        [
            *_HEAD,
            *(_line(cells, wins, *place) for place in places),
            "",
            "On the device / the server, the photo as it is / the server, the photo shrunk first. Last column: from "
            "which number of photos a first visit on the device is over no later, against the photo as it is, and the "
            "shrunk one. A star: modelled from the pace of the answers that came.",
            "",
            measured_with(content),
        ]
    )


def _line(cells: Sequence[Mapping[str, Any]], wins: Sequence[Mapping[str, Any]], network: str, device: str) -> str:
    found = {row["way"]: row for row in cells if (row["network"], row["device"]) == (network, device)}
    won = {row["against"]: row for row in wins if (row["network"], row["device"]) == (network, device)}

    def ways(name: str, star: str | None = None) -> str:
        shown = []
        for way in _WAYS:
            row = found.get(way)
            value = row[name] if row and row["measured"] else None
            mark = "\\*" if value is not None and star and row and row[star] == "modelled" else ""
            shown.append(_NONE if value is None else f"{_short(value)}{mark}")
        return " / ".join(shown)

    return " | ".join(
        [
            f"| {network}",
            device,
            ways("first_s"),
            ways("hundredth_s", "hundredth"),
            ways("p50_ms"),
            f"{', '.join(_won(won.get(way)) for way in _AGAINST)} |",
        ]
    )


def _won(row: Mapping[str, Any] | None) -> str:
    if row is None or row["how"] == "not measured":
        return _NONE
    number = "never" if row["from_photos"] is None else f"{row['from_photos']:,}"
    return f"{number}\\*" if row["how"] == "modelled" else number


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
