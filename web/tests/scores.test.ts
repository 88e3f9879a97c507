import { expect, test } from 'vitest';
import { softmax, top } from '../src/scores.ts';

test('softmax is what numpy gives in float64', () => {
  // np.exp(x / 1.5) / np.exp(x / 1.5).sum() with x = np.float32([1, 2, -3.5, 0.25])
  const expected = [0.27746549, 0.54042899, 0.01381419, 0.16829133];
  const found = softmax(Float32Array.of(1, 2, -3.5, 0.25), 1.5);
  found.forEach((score, index) => expect(score).toBeCloseTo(expected[index], 8));
});

test('softmax stands huge logits', () => {
  expect(softmax([1000, 1000, -1000], 1)).toEqual([0.5, 0.5, 0]);
});

test('top is stable and never longer than the labels', () => {
  expect(top([0.1, 0.4, 0.1, 0.4], 3)).toEqual([1, 3, 0]);
  expect(top([0.1, 0.9], 5)).toEqual([1, 0]);
});
