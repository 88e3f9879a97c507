import { expect, test } from 'vitest';
import { readOrientation, upright } from '../src/exif.ts';
import type { PixelSource } from '../src/resample.ts';

/** An EXIF block with one entry before the orientation. */
function exif(orientation: number, littleEndian: boolean, type = 3): Uint8Array {
  const block = new Uint8Array(8 + 2 + 24 + 4);
  const view = new DataView(block.buffer);
  view.setUint16(0, littleEndian ? 0x4949 : 0x4d4d);
  view.setUint16(2, 42, littleEndian);
  view.setUint32(4, 8, littleEndian);
  view.setUint16(8, 2, littleEndian);
  view.setUint16(10, 0x0100, littleEndian);
  view.setUint16(22, 0x0112, littleEndian);
  view.setUint16(24, type, littleEndian);
  view.setUint32(26, 1, littleEndian);
  if (type === 3) view.setUint16(30, orientation, littleEndian);
  else view.setUint32(30, orientation, littleEndian);
  return block;
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])('reads orientation %i in either byte order and type', (orientation) => {
  expect(readOrientation(exif(orientation, true))).toBe(orientation);
  expect(readOrientation(exif(orientation, false))).toBe(orientation);
  expect(readOrientation(exif(orientation, true, 4))).toBe(orientation);
  const prefixed = Uint8Array.from([...Buffer.from('Exif\0\0'), ...exif(orientation, false)]);
  expect(readOrientation(prefixed)).toBe(orientation);
});

test.each([
  ['empty', new Uint8Array()],
  ['text', Uint8Array.from(Buffer.from('no exif here at all, just words'))],
  ['cut off', exif(6, true).subarray(0, 28)],
  ['out of range', exif(9, true)],
  ['of another type', exif(6, true, 2)],
])('takes a block that is %s as upright', (_, block) => {
  expect(readOrientation(block)).toBe(1);
});

/** 3 x 2 stored pixels, named a to f by their first byte. */
const stored: PixelSource = {
  width: 3,
  height: 2,
  read(left, top, width, height) {
    const pixels = new Uint8Array(width * height * 4);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) pixels[(y * width + x) * 4] = 97 + (top + y) * 3 + left + x;
    }
    return pixels;
  },
};

async function letters(
  source: PixelSource,
  left = 0,
  top = 0,
  width = source.width,
  height = source.height,
): Promise<string> {
  const pixels = await source.read(left, top, width, height);
  const rows = Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => String.fromCharCode(pixels[(y * width + x) * 4])).join(''),
  );
  return rows.join('/');
}

// What Pillow's ImageOps.exif_transpose makes of abc/def.
const UPRIGHT: [orientation: number, whole: string, lastPixel: string][] = [
  [1, 'abc/def', 'f'],
  [2, 'cba/fed', 'd'],
  [3, 'fed/cba', 'a'],
  [4, 'def/abc', 'c'],
  [5, 'ad/be/cf', 'f'],
  [6, 'da/eb/fc', 'c'],
  [7, 'fc/eb/da', 'a'],
  [8, 'cf/be/ad', 'd'],
];

test.each(UPRIGHT)('turns orientation %i upright', async (orientation, whole, lastPixel) => {
  const source = upright(stored, orientation);
  expect(await letters(source)).toBe(whole);
  expect(await letters(source, source.width - 1, source.height - 1, 1, 1)).toBe(lastPixel);
});
