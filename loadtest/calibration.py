"""How fast a browser's worker thread is, by a loop of whole numbers in it: what shows that a slower device is one."""

from __future__ import annotations

import statistics
from typing import Final

from playwright.sync_api import Page

TOLERANCE: Final = 0.15
"""How far the measured factor may be from the wanted one, as a share of it."""
TOO_FAST: Final = "the device was not as slow as it should have been"
"""What is said of a cell whose factor does not hold."""
_MILLISECONDS: Final = 400
_ROUNDS: Final = 3

# xorshift, whose every step needs the one before, so that nothing can be left out or done side by side.
_SPIN: Final = """
onmessage = ({ data: { milliseconds, rounds } }) => {
  let x = 1;
  const turn = (limit) => {
    const begin = performance.now();
    let turns = 0;
    let now = begin;
    for (; now - begin < limit; now = performance.now(), turns++)
      for (let i = 0; i < 20000; i++) { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; }
    return turns / (now - begin);
  };
  turn(milliseconds / 2); // until it is compiled
  postMessage({ speeds: Array.from({ length: rounds }, () => turn(milliseconds)), x });
};
"""
_RUN: Final = """
([source, milliseconds, rounds]) => new Promise((resolve, reject) => {
  const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
  worker.onmessage = ({ data }) => { worker.terminate(); resolve(data.speeds); };
  worker.onerror = (event) => reject(new Error(event.message));
  worker.postMessage({ milliseconds, rounds });
})
"""


def speed(page: Page) -> float:
    """Turns of the loop per millisecond in a worker of this page, the median of three goes."""
    speeds: list[float] = page.evaluate(_RUN, [_SPIN, _MILLISECONDS, _ROUNDS])
    return statistics.median(speeds)


def holds(wanted: float, measured: float) -> bool:
    """Whether a measured factor is near enough to the wanted one."""
    return abs(measured / wanted - 1) <= TOLERANCE
