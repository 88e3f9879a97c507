"""README's table of the conversion: a line for each network that has goals of its own, and a sentence on the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from benchmarks.convert.goals import NAMED, largest_error, stopped_by
from benchmarks.convert.row import passes
from benchmarks.convert.runs import DIRECT, OFFICIAL, SPEED_RATIO
from benchmarks.results import measured_with, read_result

_HEAD: Final = (
    "| Network | Convert, s | Official, s | Error | Official runs on | ms per image | Official, ms | Ratio |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
)
_SHORT: Final = 60


def conversion_table(path: Path) -> str:
    """The result of ``make bench-convert`` as Markdown; a figure that misses its goal is bold.

    :param path: the result file.
    :raises TwinlensError: ``invalid_data`` if there is no such file.
    """
    content = read_result(path)
    rows, met = content["rows"], {goal["name"]: goal["met"] for goal in content["goals"]}
    lines = [*_HEAD, *(_line(row, met) for row in rows if row["network"] in NAMED)]
    passed = [row for row in rows if passes(row[DIRECT])]
    others = [f"{row['network']} ({_short(stopped_by(row[DIRECT]))})" for row in rows if not passes(row[DIRECT])]
    official = [row for row in rows if passes(row[OFFICIAL])]
    sizes = content["environment_megabytes"]
    missed = [name for name, good in met.items() if not good]
    lines += [
        "",
        f"Right on wasm, webgl and cpu: {len(passed)} of {len(rows)} networks, {len(official)} by the official route. "
        f"Environment: {sizes[DIRECT]:.0f} MB, {sizes[OFFICIAL]:.0f} MB for the official route. "
        + (f"Not right: {', '.join(others)}. " if others else "")
        + (f"Goals missed: {', '.join(f'`{name}`' for name in missed)}." if missed else "Every goal is met."),
        "",
        measured_with(content),
    ]
    return "\n".join(lines)


def _line(row: dict[str, Any], met: dict[str, bool]) -> str:
    name, direct, official = row["network"], row[DIRECT], row[OFFICIAL]
    size = "" if row["pixels"] == 224 else f" ({row['pixels']} px)"
    backends = ", ".join(official["error"]) or "none"
    cells = [
        f"`{name}`{size}",
        _figure(direct["seconds"], "{:.2f}", met.get(f"{name}_seconds", True)),
        _figure(official["seconds"], "{:.0f}", True),
        _figure(largest_error(direct), "{:.1e}", met.get(f"{name}_error", True)),
        backends,
        _figure(direct["ms"], "{:.1f}", True),
        _figure(official["ms"], "{:.1f}", True),
        _figure(row[SPEED_RATIO], "{:.2f}", met.get(f"speed_ratio_{name}", True)),
    ]
    return f"| {' | '.join(cells)} |"


def _figure(value: float | None, form: str, met: bool) -> str:
    text = "–" if value is None else form.format(value)
    return text if met else f"**{text}**"


def _short(text: str | None) -> str:
    text = (text or "").replace("|", "/").replace("\n", " ")
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
