/**
 * Long work on the page's own thread, cut into slices between which the browser can draw and listen.
 */

/** A slice ends after this time; half a frame is left for the browser. */
const SLICE_MS = 8;

/**
 * Do something to each of many items, in their order. The first slice runs at once.
 *
 * @param signal ends the work before the next item.
 * @returns once all is done or the signal is aborted.
 */
export async function inSlices<Item>(
  items: readonly Item[],
  work: (item: Item) => void,
  signal: AbortSignal,
): Promise<void> {
  let began = performance.now();
  for (const item of items) {
    if (performance.now() - began > SLICE_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      began = performance.now();
    }
    if (signal.aborted) return;
    work(item);
  }
}
