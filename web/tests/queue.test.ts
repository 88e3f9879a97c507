import { expect, test } from 'vitest';
import { Queue } from '../src/queue.ts';

const settle = () => new Promise((resolve) => setTimeout(resolve));

test('runs in order, never more at a time than its width', async () => {
  const started: number[] = [];
  const ends: (() => void)[] = [];
  const queue = new Queue<number>((item) => {
    started.push(item);
    return new Promise((resolve) => ends.push(resolve));
  }, 2);
  queue.add([1, 2, 3]);
  queue.add([4]);
  expect(started).toEqual([1, 2]);
  ends[1]();
  await settle();
  expect(started).toEqual([1, 2, 3]);
  ends[0]();
  ends[2]();
  await settle();
  expect(started).toEqual([1, 2, 3, 4]);
});

test('clear aborts what runs, forgets what waits, and leaves the queue usable', async () => {
  const aborted: number[] = [];
  const started: number[] = [];
  const queue = new Queue<number>((item, signal) => {
    started.push(item);
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        aborted.push(item);
        resolve();
      });
    });
  }, 1);
  queue.add([1, 2]);
  queue.clear();
  queue.add([3]);
  await settle();
  expect(aborted).toEqual([1]);
  expect(started).toEqual([1, 3]);
});
