import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Occupation } from '../src/occupation.ts';

let occupation: Occupation;
const never = new AbortController().signal;

beforeEach(() => {
  vi.useFakeTimers();
  occupation = new Occupation();
});
afterEach(() => vi.useRealTimers());

/** A photo whose work ends when told to. */
function photo(): { end: () => void; done: Promise<void> } {
  let end!: () => void;
  const working = new Promise<void>((resolve) => (end = resolve));
  return { end, done: occupation.with(() => working) };
}

/** Whether a promise has been fulfilled, as of later calls. */
function watch(promise: Promise<void>): () => boolean {
  let settled = false;
  void promise.then(() => (settled = true));
  return () => settled;
}

test('a pause is one that lasts', async () => {
  const over = watch(occupation.pause(never));
  await vi.advanceTimersByTimeAsync(100);
  expect(over()).toBe(false);
  await vi.advanceTimersByTimeAsync(200);
  expect(over()).toBe(true);
});

test('a photo that comes makes it start anew', async () => {
  const first = photo();
  const over = watch(occupation.pause(never));
  await vi.advanceTimersByTimeAsync(1000);
  expect(over()).toBe(false);
  first.end();
  await first.done;
  await vi.advanceTimersByTimeAsync(150);
  const second = photo();
  second.end();
  await second.done;
  await vi.advanceTimersByTimeAsync(150);
  expect(over()).toBe(false);
  await vi.advanceTimersByTimeAsync(250);
  expect(over()).toBe(true);
  expect(occupation.arrivals).toBe(2);
});

test('a photo that fails is in hand no longer', async () => {
  await expect(occupation.with(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(occupation.busy).toBe(false);
});

test('waiting ends when it is aborted', async () => {
  const working = photo();
  const controller = new AbortController();
  const waiting = expect(occupation.pause(controller.signal)).rejects.toMatchObject({ name: 'AbortError' });
  controller.abort();
  await waiting;
  working.end();
  await working.done;
});
