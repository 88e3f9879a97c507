import { expect, test } from 'vitest';
import { inSlices } from '../src/slices.ts';

/** Work of a few milliseconds, without which no slice ever ends. */
function work(): void {
  const until = performance.now() + 3;
  while (performance.now() < until);
}

test('does all, in order, and lets others have their turn', async () => {
  const done: number[] = [];
  let turns = 0;
  const timer = setInterval(() => turns++);
  await inSlices(
    Array.from({ length: 30 }, (_, at) => at),
    (item) => {
      work();
      done.push(item);
    },
    new AbortController().signal,
  );
  clearInterval(timer);
  expect(done).toEqual(Array.from({ length: 30 }, (_, at) => at));
  expect(turns).toBeGreaterThan(1);
});

test('the first slice is done at once', () => {
  const done: number[] = [];
  void inSlices([1, 2], (item) => done.push(item), new AbortController().signal);
  expect(done).toEqual([1, 2]);
});

test('stops before the next item', async () => {
  const done: number[] = [];
  const stop = new AbortController();
  await inSlices(
    [1, 2, 3],
    (item) => {
      done.push(item);
      if (item === 2) stop.abort();
    },
    stop.signal,
  );
  expect(done).toEqual([1, 2]);
});
