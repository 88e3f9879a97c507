"""README's tables of ``make bench-page``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.page.plan import TITLES
from benchmarks.results import measured_with, read_result

_HEAD: Final = (
    "| Page | Weights | MB to the first answer | First answer, s | Without the line, s | Warm photo, ms "
    "| Warm, {threads} threads, ms |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)
_NONE: Final = "–"


def page_table(path: Path) -> str:
    """The result of ``make bench-page`` as Markdown.

    :param path: the result file.
    :raises TwinlensError: ``invalid_data`` if there is no such file.
    """
    content = read_result(path)
    missing = [
        f"{TITLES[row['page']]}: {_inline(row['not_measured'])}" for row in content["rows"] if row["not_measured"]
    ]
    head, rule = _HEAD
    return "\n".join(
        [
            head.format(threads=content["threads"]),
            rule,
            *map(_line, content["rows"]),
            "",
            f"First answer through {content['line']}, new profile, empty cache, {content['photos']['small']} JPEG; "
            f"medians over {content['rounds']} rounds, the 10th and 90th percentile in brackets. Every page gave the "
            "same label. " + (f"Not measured: {'; '.join(missing)}. " if missing else ""),
            "",
            measured_with(content),
        ]
    ).replace(" \n", "\n")


def _line(row: Mapping[str, Any]) -> str:
    def time(name: str, per: float, digits: int) -> str:
        if row[name] is None:
            return _NONE
        middle, low, high = (f"{row[key] / per:.{digits}f}" for key in (name, f"{name}_p10", f"{name}_p90"))
        return f"{middle} ({low} to {high})"

    size = row["weights_bytes"]
    cells = [
        TITLES[row["page"]],
        _NONE if size is None else f"{row['weights']}, {size / 1e6:.2f} MB",
        _NONE if row["line_megabytes"] is None else f"{row['line_megabytes']:.2f}",
        time("line_ms", 1000, 2),
        time("direct_ms", 1000, 2),
        time("warm_ms", 1, 1),
        time("warm_threads_ms", 1, 1),
    ]
    return f"| {' | '.join(cells)} |"


def _inline(text: str) -> str:
    return " ".join(text.replace("|", "/").split())[:160].rstrip(".")
