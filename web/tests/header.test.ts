import { describe, expect, test } from 'vitest';
import { readHeader } from '../src/header.ts';
import type { Format } from '../src/sniff.ts';

function bytes(...parts: (string | number[])[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? [...Buffer.from(part, 'latin1')] : part)));
}

function joined(parts: readonly Uint8Array[]): string {
  return Buffer.concat(parts).toString('latin1');
}

const big = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
const little = (value: number) => big(value).reverse();
const chunk = (type: string, data: number[]) => [...big(data.length), ...Buffer.from(type), ...data, 1, 2, 3, 4];
const riffChunk = (type: string, data: number[]) => [
  ...Buffer.from(type),
  ...little(data.length),
  ...data,
  ...(data.length % 2 ? [0] : []),
];

const PNG = '\x89PNG\r\n\x1a\n';
const EXIF_6 = [...Buffer.from('MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0', 'latin1')];
const ihdr = (width: number, height: number, colourType: number) =>
  chunk('IHDR', [...big(width), ...big(height), 8, colourType, 0, 0, 0]);

describe('png', () => {
  test.each([
    [0, false],
    [2, false],
    [3, false],
    [4, true],
    [6, true],
  ])('colour type %i', (colourType, alpha) => {
    const file = bytes(PNG, ihdr(70000, 3, colourType), chunk('IDAT', [9]), chunk('IEND', []));
    expect(readHeader(file, 'png')).toMatchObject({ width: 70000, height: 3, alpha, orientation: 1 });
    expect(joined(readHeader(file, 'png').parts)).toBe(Buffer.from(file).toString('latin1'));
  });

  test('a transparent colour makes it partly transparent', () => {
    const file = bytes(PNG, ihdr(1, 1, 3), chunk('PLTE', [1, 2, 3]), chunk('tRNS', [7]), chunk('IDAT', [9]));
    expect(readHeader(file, 'png').alpha).toBe(true);
  });

  test('an EXIF block is read and taken out, before the pixels or after them', () => {
    const before = bytes(PNG, ihdr(1, 1, 2), chunk('eXIf', EXIF_6), chunk('IDAT', [9]), chunk('IEND', []));
    const after = bytes(PNG, ihdr(1, 1, 2), chunk('IDAT', [9]), chunk('eXIf', EXIF_6), chunk('IEND', []));
    const plain = bytes(PNG, ihdr(1, 1, 2), chunk('IDAT', [9]), chunk('IEND', []));
    for (const file of [before, after]) {
      const header = readHeader(file, 'png');
      expect(header.orientation).toBe(6);
      expect(joined(header.parts)).toBe(joined([plain]));
    }
  });

  test('the frames of an animation are taken out', () => {
    const still = [ihdr(1, 1, 2), chunk('IDAT', [9])];
    const animated = bytes(PNG, still[0], chunk('acTL', [1]), still[1], chunk('fcTL', [2]), chunk('fdAT', [3]));
    expect(joined(readHeader(animated, 'png').parts)).toBe(joined([bytes(PNG, ...still)]));
  });
});

describe('webp', () => {
  const riff = (body: number[]) => bytes('RIFF', little(body.length + 4), 'WEBP', body);

  test('lossy', () => {
    const frame = [0, 0, 0, 0x9d, 0x01, 0x2a, 0x2c, 0x41, 0xc8, 0x80];
    expect(readHeader(riff(riffChunk('VP8 ', frame)), 'webp')).toMatchObject({ width: 300, height: 200, alpha: false });
  });

  test.each([false, true])('lossless, alpha %s', (alpha) => {
    const bits = (299 | (199 << 14) | (alpha ? 1 << 28 : 0)) >>> 0;
    const file = riff(riffChunk('VP8L', [0x2f, ...little(bits)]));
    expect(readHeader(file, 'webp')).toMatchObject({ width: 300, height: 200, alpha });
  });

  test('extended, with an EXIF block that is read and taken out', () => {
    const canvas = [0x2b, 1, 0, 0xc7, 0, 0];
    const image = riffChunk('VP8L', [0x2f, 0, 0, 0, 0]);
    const file = riff([...riffChunk('VP8X', [0x18, 0, 0, 0, ...canvas]), ...image, ...riffChunk('EXIF', EXIF_6)]);
    const plain = riff([...riffChunk('VP8X', [0x10, 0, 0, 0, ...canvas]), ...image]);
    const header = readHeader(file, 'webp');
    expect(header).toMatchObject({ width: 300, height: 200, alpha: true, orientation: 6 });
    expect(joined(header.parts)).toBe(joined([plain]));
  });
});

test('jpeg: the frame is found behind other segments', () => {
  const file = bytes([0xff, 0xd8, 0xff, 0xe1, 0, 4, 0xff, 0xc0, 0xff, 0xff, 0xc4, 0, 3, 0]);
  const frame = bytes([...file, 0xff, 0xc2, 0, 17, 8, 0x0b, 0xb8, 0x0f, 0xa0, 3]);
  expect(readHeader(frame, 'jpeg')).toMatchObject({ width: 4000, height: 3000, alpha: false });
});

test.each([1, 2, 6])('jpeg: whether orientation %i turns it', (orientation) => {
  const exif = bytes('Exif', [0, 0], 'MM', [0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
  const segment = [0xff, 0xe1, 0, exif.length + 2, ...exif];
  const file = bytes([0xff, 0xd8, ...segment, 0xff, 0xc0, 0, 17, 8, 0, 3, 0, 4, 3]);
  expect(readHeader(file, 'jpeg')).toMatchObject({ width: 4, height: 3, orientation: 1, turned: orientation > 1 });
});

test('gif', () => {
  expect(readHeader(bytes('GIF89a', [0x2c, 1, 0xc8, 0]), 'gif')).toMatchObject({ width: 300, height: 200 });
});

test.each([
  [24, false],
  [32, true],
])('bmp with %i bits, rows from the top', (bits, alpha) => {
  const file = bytes('BM', Array(12).fill(0), little(40), little(300), little(-200 >>> 0), [1, 0, bits, 0]);
  expect(readHeader(file, 'bmp')).toMatchObject({ width: 300, height: 200, alpha });
});

test('avif: the largest item, and whether one is an alpha plane', () => {
  const ispe = (width: number, height: number) => ['ispe', [0, 0, 0, 0, ...big(width), ...big(height)]];
  const file = bytes('....ftypavif', ...ispe(64, 64), 'auxC', ...ispe(300, 200), Array(16).fill(0));
  expect(readHeader(file, 'avif')).toMatchObject({ width: 300, height: 200, alpha: true });
});

test.each<[Format, string]>([
  ['jpeg', '\xff\xd8\xff\xe0\0\x10'],
  ['png', PNG],
  ['webp', 'RIFF\0\0\0\0WEBPVP8X'],
  ['gif', 'GIF89a'],
  ['bmp', 'BM'],
  ['avif', '\0\0\0\x1cftypavif'],
])('%s that ends in its header is left to the decoder', (format, text) => {
  const file = bytes(text);
  expect(readHeader(file, format)).toMatchObject({ width: 0, height: 0, orientation: 1, parts: [file] });
});
