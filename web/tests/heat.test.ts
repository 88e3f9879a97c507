import { expect, test } from 'vitest';
import { coloured, enlarged, evidence } from '../src/heat.ts';

const rounded = (values: Float32Array) => Array.from(values, (value) => Math.round(value * 1e4) / 1e4);

test('what speaks for a label is what it gains beyond the mean of all, on the scale of the photo', () => {
  // Two labels, two places: the second label's first place is the strongest of the photo.
  const maps = { width: 2, height: 1, values: Float32Array.of(0, 6, 8, 4) };
  expect(rounded(evidence(maps, 0))).toEqual([0, 0.25]);
  expect(rounded(evidence(maps, 1))).toEqual([1, 0]);
});

test('what all labels gain alike speaks for none', () => {
  const values = Float32Array.of(0, 6, 8, 4);
  const lifted = { width: 2, height: 1, values: values.map((value, at) => value + (at % 2 === 0 ? 100 : -40)) };
  expect(rounded(evidence(lifted, 1))).toEqual(rounded(evidence({ width: 2, height: 1, values }, 1)));
});

test('a flat map and a single label give numbers all the same', () => {
  expect(rounded(evidence({ width: 2, height: 1, values: new Float32Array(4) }, 0))).toEqual([0, 0]);
  expect(rounded(evidence({ width: 2, height: 1, values: Float32Array.of(1, 4) }, 0))).toEqual([0.25, 1]);
});

test('enlarging is bilinear between the middles of the places', () => {
  expect(rounded(enlarged(Float32Array.of(0, 1), 2, 1, 4)).slice(0, 4)).toEqual([0, 0.25, 0.75, 1]);
  const columns = rounded(enlarged(Float32Array.of(0, 1), 1, 2, 4)).filter((_, at) => at % 4 === 0);
  expect(columns).toEqual([0, 0.25, 0.75, 1]);
  expect(rounded(enlarged(Float32Array.of(0.5), 1, 1, 2))).toEqual([0.5, 0.5, 0.5, 0.5]);
});

test('colours run from dark violet to yellow and grow lighter all the way', () => {
  const steps = Float32Array.from({ length: 101 }, (_, at) => at / 100);
  const pixels = coloured(steps);
  expect(Array.from(pixels.slice(0, 4))).toEqual([0x44, 0x01, 0x54, 255]);
  expect(Array.from(pixels.slice(-4))).toEqual([0xfd, 0xe7, 0x25, 255]);
  const light = Array.from(steps, (_, at) => {
    const [red, green, blue] = pixels.slice(at * 4, at * 4 + 3);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  });
  expect(light).toEqual([...light].sort((a, b) => a - b));
});
