"""How slow a held browser's worker thread is, by a loop of whole numbers in it: what shows that a slower device is one.

A shared machine's own speed changes by half within seconds. So the loop runs held and free in turns, each pair gives a
ratio, and the median of them counts.
"""

from __future__ import annotations

import statistics
from typing import Final

from playwright.sync_api import Page

from loadtest.limit import Limit

TOLERANCE: Final = 0.15
"""How far the measured factor may be from the wanted one, as a share of it."""
TOO_FAST: Final = "the device was not as slow as it should have been"
"""What is said of a cell whose factor does not hold."""
_PAIRS: Final = 7
_MILLISECONDS: Final = 400
"""Of each go; as many whole periods of a quota (``loadtest.limit``), so that none counts in part."""
_SETTLE_MILLISECONDS: Final = 100
_NEAR: Final = 0.07
"""How near a factor must be for the share to be left as it is: half the tolerance, so that it holds afterwards too."""
_STEPS: Final = 5

# xorshift, whose every step needs the one before, so that nothing can be left out or done side by side.
_SPIN: Final = """
let x = 1;
const turn = (limit) => {
  const begin = performance.now();
  let turns = 0;
  let now = begin;
  for (; now - begin < limit; now = performance.now(), turns++)
    for (let i = 0; i < 20000; i++) { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; }
  return turns / (now - begin);
};
turn(300); // until it is compiled
onmessage = ({ data: { settle, milliseconds } }) => { turn(settle); postMessage(turn(milliseconds)); };
postMessage(x);
"""
_START: Final = """
(source) => new Promise((resolve, reject) => {
  const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
  worker.onerror = (event) => reject(new Error(event.message));
  worker.onmessage = () => resolve();
  globalThis.spin = (work) => new Promise((answer) => {
    worker.onmessage = ({ data }) => answer(data);
    worker.postMessage(work);
  });
})
"""


class Loop:
    """A loop in a worker of a page, which waits between its goes.

    :param page: one whose worker nothing else keeps busy.
    :param limit: what holds its browser.
    """

    def __init__(self, page: Page, limit: Limit) -> None:
        self._page, self._limit = page, limit
        page.evaluate(_START, _SPIN)

    def factor(self, share: float | None) -> float:
        """Its speed with the browser held to a share, over its speed with the browser free; it is held to it after."""
        ratios = []
        for _ in range(_PAIRS):
            self._limit.set(None)
            free = self._go()
            self._limit.set(share)
            ratios.append(self._go() / free)
        return statistics.median(ratios)

    def set(self, wanted: float, share: float | None) -> tuple[float | None, float]:
        """Hold the browser to the share that gives a factor: what the kernel loses of each quota is added to it.

        :param share: what to begin with; None if the browser is not to be held at all.
        :return: the share that it is held to now, and the factor that it showed.
        """
        shown = self.factor(share)
        for _ in range(_STEPS):
            if share is None or abs(shown / wanted - 1) <= _NEAR:
                break
            share = min(share * wanted / shown, 1.0)
            shown = self.factor(share)
        return share, shown

    def _go(self) -> float:
        """Turns a millisecond."""
        work = {"settle": _SETTLE_MILLISECONDS, "milliseconds": _MILLISECONDS}
        speed: float = self._page.evaluate("(work) => spin(work)", work)
        return speed


def holds(wanted: float, measured: float) -> bool:
    """Whether a measured factor is near enough to the wanted one."""
    return abs(measured / wanted - 1) <= TOLERANCE
