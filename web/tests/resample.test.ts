import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { cropBox } from '../src/crop.ts';
import { plainPasses, resample } from '../src/resample.ts';
import { simdPasses } from '../src/simd.ts';
import golden from './golden/resample.json';
import { pattern } from './patterns.ts';

describe.each([
  ['with SIMD', simdPasses],
  ['in JavaScript', plainPasses],
])('resample %s gives the bytes that Pillow gives', (_, passesOf) => {
  test.each(golden)(
    '$width x $height $pattern to $crop of $shorter_edge, squeezed by $squeeze',
    async ({ pattern: name, width, height, shorter_edge, squeeze, crop, box, sha256 }) => {
      const found = cropBox(width, height, {
        resize: {
          shorter_edge,
          squeeze,
          filter: 'triangle',
          antialias: true,
          rounding: 'pillow-fixed-point-8bit',
          box_precision: 'float32',
        },
        crop: { height: crop[0], width: crop[1], position: 'center' },
      });
      expect(found).toEqual(box);
      const tensor = await resample(pattern(name, width, height), found, crop[1], crop[0], passesOf);
      expect(createHash('sha256').update(tensor).digest('hex')).toBe(sha256);
    },
  );
});

test('reads a large photo in strips of bounded size', async () => {
  const photo = pattern('gradient', 4000, 3000);
  let largest = 0;
  const read: typeof photo.read = (left, top, width, height) => {
    largest = Math.max(largest, width * height);
    return photo.read(left, top, width, height);
  };
  await resample({ ...photo, read }, [500, 0, 3500, 3000], 224, 224);
  expect(largest).toBeLessThanOrEqual(1 << 20);
});

test('two photos at a time do not get into each other', async () => {
  const box = [0, 0, 300, 200] as const;
  const later = (name: string) => {
    const source = pattern(name, 300, 200);
    const read: typeof source.read = async (...area) => {
      await new Promise((resolve) => setTimeout(resolve));
      return source.read(...area);
    };
    return { ...source, read };
  };
  const names = ['noise', 'gradient', 'checker'];
  const together = await Promise.all(names.map((name) => resample(later(name), box, 61, 47)));
  for (const [at, name] of names.entries()) {
    expect(together[at]).toEqual(await resample(pattern(name, 300, 200), box, 61, 47, plainPasses));
  }
});
