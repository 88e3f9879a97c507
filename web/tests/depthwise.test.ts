import { describe, expect, test } from 'vitest';
import { withDepthwise } from '../src/backends/depthwise.ts';
import code from '../src/backends/depthwise.wat';
import { allowRelaxedSimd, Heap, kernelOn, noise, ofShapes, OWN, own, run } from './heap.ts';

allowRelaxedSimd(code);

const ASKEW = [
  [0, 0],
  [2, 1],
  [0, 2],
  [0, 0],
];

/** The sums as they are defined; what lies outside of the image is zero. */
function expected(
  values: Float32Array,
  [batch, height, width, channels]: readonly number[],
  filter: Float32Array,
  bias: Float32Array,
  [outHeight, outWidth]: readonly number[],
  stride: number,
  [top, left]: readonly number[],
): number[] {
  const sums: number[] = [];
  for (let image = 0; image < batch; image++) {
    for (let y = 0; y < outHeight; y++) {
      for (let x = 0; x < outWidth; x++) {
        for (let channel = 0; channel < channels; channel++) {
          let sum = bias[channel];
          for (let tap = 0; tap < 9; tap++) {
            const row = y * stride - top + Math.trunc(tap / 3);
            const column = x * stride - left + (tap % 3);
            if (row < 0 || row >= height || column < 0 || column >= width) continue;
            sum +=
              values[((image * height + row) * width + column) * channels + channel] * filter[tap * channels + channel];
          }
          sums.push(sum);
        }
      }
    }
  }
  return sums;
}

describe('a depthwise convolution of three by three', () => {
  test.each([
    ...[1, 2, 3, 4, 5, 7, 8, 9].map((width) => [[1, 3, width, 4], 1, 'same', [1, 1], [3, width], 'linear'] as const),
    [[1, 7, 7, 960], 1, 'same', [1, 1], [7, 7], 'relu6'],
    [[1, 14, 14, 20], 2, 'same', [0, 0], [7, 7], 'relu6'],
    [[1, 15, 13, 8], 2, 'same', [1, 1], [8, 7], 'relu'],
    [[2, 9, 12, 8], 1, 'valid', [0, 0], [7, 10], 'linear'],
    [[3, 10, 9, 8], 2, 'valid', [0, 0], [4, 4], 'linear'],
    [[1, 6, 5, 4], 1, ASKEW, [2, 0], [7, 5], 'linear'],
    [[1, 6, 5, 4], 2, ASKEW, [2, 0], [4, 3], 'linear'],
  ] as const)('of %j in steps of %i, padding %j', (shape, stride, pad, padding, size, activation) => {
    const heap = new Heap();
    const channels = shape[3];
    const x = heap.tensor([...shape], (at) => 3 * noise(7)(at));
    const filter = heap.tensor([3, 3, channels, 1], noise(11));
    const bias = heap.tensor([channels], noise(13));
    const kernel = kernelOn(heap, withDepthwise(own));
    // A second time, when the place for its rows is no longer new.
    for (let turn = 0; turn < 2; turn++) {
      const out = run(heap, kernel, { x, filter, bias }, { strides: [stride, stride], pad, activation });
      expect(out.shape).toEqual([shape[0], ...size, channels]);
      const [values, weights, added] = [x, filter, bias].map((tensor) => heap.values(tensor));
      const most = activation === 'relu6' ? 6 : Infinity;
      const wanted = expected(values, shape, weights, added, size, stride, padding).map((sum) =>
        activation === 'linear' ? sum : Math.min(Math.max(sum, 0), most),
      );
      const found = heap.values(out);
      expect(Math.max(...wanted.map((sum, at) => Math.abs(sum - found[at])))).toBeLessThan(1e-5);
      expect(heap.after(out)).toBe(1234);
    }
  });

  test.each([
    ['five by five', { filter: [5, 5, 8, 1] }, {}],
    ['in steps of three', {}, { strides: [3, 3] }],
    ['in steps that are unlike', {}, { strides: [1, 2] }],
    ['with gaps', {}, { dilations: [2, 2] }],
    ['of channels that are not fours', { x: [1, 6, 6, 6], filter: [3, 3, 6, 1], bias: [6] }, {}],
    ['to more channels', { filter: [3, 3, 8, 2], bias: [16] }, {}],
    ['with another activation', {}, { activation: 'sigmoid' }],
  ])('%s is left to TensorFlow.js', (_, shapes: Record<string, number[]>, attrs) => {
    expect(ofShapes(withDepthwise(own), { x: [1, 6, 6, 8], filter: [3, 3, 8, 1], bias: [8], ...shapes }, attrs)).toBe(
      OWN,
    );
  });
});
