import { expect, test } from 'vitest';
import { Rate, Steady } from '../src/live.ts';

test('the rate is that of the last two seconds', () => {
  const rate = new Rate();
  expect(rate.perSecond).toBeNull();
  rate.tick(0);
  expect(rate.perSecond).toBeNull();
  for (let at = 100; at <= 1000; at += 100) rate.tick(at);
  expect(rate.perSecond).toBeCloseTo(10);
  for (let at = 1200; at <= 5000; at += 200) rate.tick(at);
  expect(rate.perSecond).toBeCloseTo(5);
  rate.reset();
  expect(rate.perSecond).toBeNull();
});

test('steady scores follow new ones by half in their half-life, and still sum to one', () => {
  const steady = new Steady(100);
  expect(steady.add([1, 0], 0)).toEqual([1, 0]);
  const halfway = steady.add([0, 1], 100);
  expect(halfway[0]).toBeCloseTo(0.5);
  expect(halfway[0] + halfway[1]).toBeCloseTo(1);
  expect(steady.add([0, 1], 200)[0]).toBeCloseTo(0.25);
  steady.reset();
  expect(steady.add([0.3, 0.7], 300)).toEqual([0.3, 0.7]);
});
