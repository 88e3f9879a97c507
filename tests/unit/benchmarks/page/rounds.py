"""Made rounds of the page's benchmark: round figures, in rounds of which each is slower than the one before."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.page.plan import OURS, PAGES

FACTORS: Final = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)
WEIGHTS: Final = {
    OURS: {"chosen": "as exported", "bytes": 1_260_000},
    "onnxruntime_web": {"chosen": "int4 and int8 as exported", "bytes": 1_780_000},
    "transformers_js": {"chosen": "int4 and int8 as exported", "bytes": 1_780_000},
    "litert_js": {"chosen": "dynamic_range_quant", "bytes": 2_500_000},
}
_LINE_MS: Final = {OURS: 2000.0, "onnxruntime_web": 5000.0, "transformers_js": 8000.0, "litert_js": 6000.0}
_WARM_MS: Final = {OURS: 16.0, "onnxruntime_web": 20.0, "transformers_js": 40.0, "litert_js": 25.0}
_BYTES: Final = {OURS: 1_500_000, "onnxruntime_web": 5_500_000, "transformers_js": 8_700_000, "litert_js": 5_400_000}


def turn(page: str, factor: float = 1.0) -> dict[str, Any]:
    """What a page was measured with on a machine that is so many times as slow."""
    warm = [_WARM_MS[page] * factor * share for share in (0.9, 1.0, 5.0)]
    found: dict[str, Any] = {
        "line_ms": _LINE_MS[page] * factor,
        "line_bytes": _BYTES[page],
        "direct_ms": 400.0 * factor,
        "warm_ms": warm,
        "warm_threads_ms": [time / 2 for time in warm],
    }
    if page == OURS:
        found |= {"large_ms": [280.0 * factor], "large_decode_ms": [250.0 * factor, 200.0 * factor, 150.0 * factor]}
    return found


def made() -> list[dict[str, Any]]:
    """Seven whole rounds."""
    rounds = [{page: turn(page, factor) for page in PAGES} for factor in FACTORS]
    rounds[0][OURS]["leaked"] = 0
    return rounds
