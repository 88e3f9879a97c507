import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { cropBox } from '../src/crop.ts';
import { resample } from '../src/resample.ts';
import golden from './golden/resample.json';
import { pattern } from './patterns.ts';

describe('resample gives the bytes that Pillow gives', () => {
  test.each(golden)(
    '$width x $height $pattern to $crop of $shorter_edge, squeezed by $squeeze',
    ({ pattern: name, width, height, shorter_edge, squeeze, crop, box, sha256 }) => {
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
      const tensor = resample(pattern(name, width, height), found, crop[1], crop[0]);
      expect(createHash('sha256').update(tensor).digest('hex')).toBe(sha256);
    },
  );
});

test('reads a large photo in strips of bounded size', () => {
  const photo = pattern('gradient', 4000, 3000);
  let largest = 0;
  const read: typeof photo.read = (left, top, width, height) => {
    largest = Math.max(largest, width * height);
    return photo.read(left, top, width, height);
  };
  resample({ ...photo, read }, [500, 0, 3500, 3000], 224, 224);
  expect(largest).toBeLessThanOrEqual(1 << 20);
});
