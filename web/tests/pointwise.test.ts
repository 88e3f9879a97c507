import { describe, expect, test, vi } from 'vitest';
import { withPointwise } from '../src/backends/pointwise.ts';
import code from '../src/backends/pointwise.wat';
import { allowRelaxedSimd, Heap, kernelOn, noise, ofShapes, OWN, own, run } from './heap.ts';

allowRelaxedSimd(code);

describe('a convolution of one by one', () => {
  test.each([
    ...[1, 2, 5, 6, 7, 12, 13, 49].map((rows) => [rows, 1, 6, 8, 'linear'] as const),
    [7, 7, 960, 160, 'linear'],
    [14, 14, 64, 384, 'relu6'],
    [3, 5, 2, 24, 'relu'],
  ] as const)('of %i x %i places, %i to %i channels, %s', (height, width, depth, columns, activation) => {
    const heap = new Heap();
    const x = heap.tensor([1, height, width, depth], (at) => 3 * noise(7)(at));
    const filter = heap.tensor([1, 1, depth, columns], noise(11));
    const bias = heap.tensor([columns], noise(13));
    const out = run(heap, kernelOn(heap, withPointwise(own)), { x, filter, bias }, { activation });
    expect(out.shape).toEqual([1, height, width, columns]);
    const [left, right, add, found] = [x, filter, bias, out].map((tensor) => heap.values(tensor));
    let worst = 0;
    for (let row = 0; row < height * width; row++) {
      for (let column = 0; column < columns; column++) {
        let sum = add[column];
        for (let k = 0; k < depth; k++) sum += left[row * depth + k] * right[k * columns + column];
        if (activation !== 'linear') sum = Math.max(sum, 0);
        if (activation === 'relu6') sum = Math.min(sum, 6);
        worst = Math.max(worst, Math.abs(found[row * columns + column] - sum));
      }
    }
    expect(worst).toBeLessThan(1e-4);
    expect(heap.after(out)).toBe(1234);
  });

  test('of several images at a time, the place for its panel being kept', () => {
    const heap = new Heap();
    const kernel = kernelOn(heap, withPointwise(own));
    for (const depth of [8, 4, 16, 16]) {
      const x = heap.tensor([3, 2, 2, depth], () => 1);
      const filter = heap.tensor([1, 1, depth, 8], () => 0.5);
      const bias = heap.tensor([8], () => 1);
      const out = run(heap, kernel, { x, filter, bias });
      expect(heap.values(out)).toEqual(new Float32Array(96).fill(depth / 2 + 1));
    }
    expect(heap.reserved).toEqual([8 * 32, 16 * 32]);
  });

  test.each([
    ['that sees much at a time', { x: [1, 6, 6, 24], filter: [3, 3, 24, 8] }, {}],
    ['with gaps', { x: [1, 6, 6, 3], filter: [3, 3, 3, 8] }, { dilations: [2, 2] }],
    ['in steps of two', {}, { strides: [2, 2] }],
    [
      'with padding',
      {},
      {
        pad: [
          [0, 0],
          [1, 1],
          [1, 1],
          [0, 0],
        ],
      },
    ],
    ['of an odd number of channels', { x: [1, 4, 4, 7], filter: [1, 1, 7, 8] }, {}],
    ['to a number of channels that are not eights', { filter: [1, 1, 8, 12], bias: [12] }, {}],
    ['with another activation', {}, { activation: 'sigmoid' }],
  ])('%s is left to TensorFlow.js', (_, shapes: Record<string, number[]>, attrs) => {
    expect(ofShapes(withPointwise(own), { x: [1, 4, 4, 8], filter: [1, 1, 8, 8], bias: [8], ...shapes }, attrs)).toBe(
      OWN,
    );
  });

  test('without a bias it is left to TensorFlow.js', () => {
    const heap = new Heap();
    const x = heap.tensor([1, 4, 4, 8], () => 1);
    expect(
      run(heap, kernelOn(heap, withPointwise(own)), { x, filter: heap.tensor([1, 1, 8, 8], () => 1), bias: null }),
    ).toBe(OWN);
  });
});

describe('a convolution that sees little at a time', () => {
  const ASKEW = [
    [0, 0],
    [1, 3],
    [2, 0],
    [0, 0],
  ];
  const NARROW = [
    [0, 0],
    [0, 0],
    [4, 4],
    [0, 0],
  ];
  test.each([
    [[1, 9, 9, 3], [3, 3, 3, 32], [2, 2], 'same', [1, 1], [5, 5], 'relu6'],
    [[1, 10, 10, 3], [3, 3, 3, 16], [2, 2], 'same', [0, 0], [5, 5], 'linear'],
    [[2, 8, 7, 1], [3, 3, 1, 8], [1, 1], 'same', [1, 1], [8, 7], 'relu'],
    [[1, 23, 23, 3], [7, 7, 3, 8], [2, 2], ASKEW, [1, 2], [11, 10], 'linear'],
    [[1, 6, 9, 5], [2, 3, 5, 8], [1, 2], 'valid', [0, 0], [5, 4], 'linear'],
    [[1, 3, 1, 2], [1, 3, 2, 8], [1, 1], NARROW, [0, 4], [3, 7], 'linear'],
    [[1, 70, 300, 3], [3, 3, 3, 8], [1, 1], 'same', [1, 1], [70, 300], 'linear'],
  ] as const)('of %j by %j in steps of %j, padding %j', (shape, by, steps, pad, [top, left], size, activation) => {
    const heap = new Heap();
    const [x, filter, bias] = [
      heap.tensor([...shape], (at) => 3 * noise(7)(at)),
      heap.tensor([...by], noise(11)),
      heap.tensor([by[3]], noise(13)),
    ];
    const kernel = kernelOn(heap, withPointwise(own));
    const out = run(heap, kernel, { x, filter, bias }, { strides: [...steps], pad, activation });
    expect(out.shape).toEqual([shape[0], ...size, by[3]]);
    const [values, weights, added, found] = [x, filter, bias, out].map((tensor) => heap.values(tensor));
    const [batch, height, width, channels] = shape;
    const [rows, columns, , outputs] = by;
    let worst = 0;
    let at = 0;
    for (let image = 0; image < batch; image++) {
      for (let y = 0; y < size[0]; y++) {
        for (let column = 0; column < size[1]; column++) {
          for (let output = 0; output < outputs; output++) {
            let sum = added[output];
            for (let tap = 0; tap < rows * columns * channels; tap++) {
              const v = y * steps[0] - top + Math.trunc(tap / (columns * channels));
              const u = column * steps[1] - left + (Math.trunc(tap / channels) % columns);
              if (v < 0 || v >= height || u < 0 || u >= width) continue;
              const place = (image * height + v) * width + u;
              sum += values[place * channels + (tap % channels)] * weights[tap * outputs + output];
            }
            if (activation !== 'linear') sum = Math.max(sum, 0);
            if (activation === 'relu6') sum = Math.min(sum, 6);
            worst = Math.max(worst, Math.abs(found[at++] - sum));
          }
        }
      }
    }
    expect(at).toBe(found.length);
    expect(worst).toBeLessThan(1e-4);
    expect(heap.after(out)).toBe(1234);
  });
});

describe('TensorFlow.js does all', () => {
  const convolved = (backend: Heap, kernel = kernelOn(backend, withPointwise(own))) => {
    const [x, filter] = [backend.tensor([1, 4, 4, 8], () => 1), backend.tensor([1, 1, 8, 8], () => 1)];
    return run(backend, kernel, { x, filter, bias: backend.tensor([8], () => 1) });
  };

  test('without relaxed SIMD', () => {
    vi.spyOn(WebAssembly, 'validate').mockReturnValueOnce(false);
    expect(convolved(new Heap())).toBe(OWN);
  });

  test('on several threads, while one thread goes on beside them', () => {
    const [one, several] = [new Heap(), new Heap()];
    Object.assign(several.wasm, { asm: {} });
    const kernel = withPointwise(own);
    for (const backend of [one, several, one]) kernel.setupFunc?.(backend);
    expect(convolved(several, kernel.kernelFunc)).toBe(OWN);
    expect(convolved(one, kernel.kernelFunc)).not.toBe(OWN);
  });
});
