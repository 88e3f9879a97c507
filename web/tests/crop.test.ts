import { expect, test } from 'vitest';
import type { Contract } from '../src/contract.gen.ts';
import { cropBox } from '../src/crop.ts';

const rules = (squeeze: number, crop = 224): Pick<Contract, 'resize' | 'crop'> => ({
  resize: {
    shorter_edge: 256,
    squeeze,
    filter: 'triangle',
    antialias: true,
    rounding: 'pillow-fixed-point-8bit',
    box_precision: 'float32',
  },
  crop: { width: crop, height: crop, position: 'center' },
});

test('without a squeeze it is the centred square', () => {
  expect(cropBox(1024, 512, rules(1))).toEqual([288, 32, 736, 480]);
});

test('with one it is longer along the longer edge, whichever that is', () => {
  expect(cropBox(1024, 512, rules(1.25))).toEqual([232, 32, 792, 480]);
  expect(cropBox(512, 1024, rules(1.25))).toEqual([32, 232, 480, 792]);
});

test('but no longer than the photo', () => {
  expect(cropBox(520, 512, rules(1.25, 256))).toEqual([0, 0, 520, 512]);
});
