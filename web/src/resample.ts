/**
 * Pillow's separable triangle filter, bit for bit: a port of `ImagingResample` (Pillow's src/libImaging/Resample.c)
 * with `BILINEAR`, as twinlens/preprocess.py calls it, the horizontal pass always first.
 *
 * Coefficients are computed in float64 from a box that is rounded to float32, then rounded to 22 fractional bits; each
 * pass sums in int32 and rounds to 8 bits. Pillow leaves out a pass that would change nothing; here such a pass runs
 * and gives the same bytes. Golden digests (tests/golden) hold this file to Pillow.
 */
import type { Box } from './crop.ts';
import { simdPasses } from './simd.ts';

/** Where pixels come from, a rectangle at a time, so that no second copy of a whole photo is ever needed. */
export interface PixelSource {
  readonly width: number;
  readonly height: number;
  /**
   * Read a rectangle that lies within the image.
   *
   * @param into where the pixels may be put, of as many bytes; a source that cannot gives an array of its own.
   * @returns width * height * 4 bytes: red, green, blue, and a fourth byte that is not looked at; rows first. The
   *   array may be used again by the next call.
   */
  read(
    left: number,
    top: number,
    width: number,
    height: number,
    into?: Uint8Array<ArrayBuffer>,
  ): Pixels | Promise<Pixels>;
}

export type Pixels = Uint8Array | Uint8ClampedArray;

/** For each output position: the first input position, how many follow, and their weights (`size` apart). */
export interface Coefficients {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
  readonly size: number;
  /** First input position that any output needs. */
  readonly begin: number;
  /** One past the last. */
  readonly end: number;
}

/** The two passes over one image. */
export interface Passes {
  /**
   * Resample rows of pixels, the first of which is column `columns.begin`.
   *
   * @param pixels RGBA.
   * @param row which row of the image comes first, counted from `rows.begin`.
   */
  columns(pixels: Pixels, count: number, row: number): void;
  /** Where pixels of so many rows are best put for `columns`; undefined where it is all the same. */
  strip(count: number): Uint8Array<ArrayBuffer> | undefined;
  /** Resample the rows, all of which have come. */
  rows(): Uint8Array<ArrayBuffer>;
  /** Give the memory back. */
  close(): void;
}

const PRECISION_BITS = 32 - 8 - 2;
const HALF = 1 << (PRECISION_BITS - 1);
export const CHANNELS = 3;
/** Pixels that are read at a time: 4 MiB of RGBA. */
const STRIP_PIXELS = 1 << 20;

/** `precompute_coeffs` and `normalize_coeffs_8bpc`. */
function coefficients(inSize: number, boxBegin: number, boxEnd: number, outSize: number): Coefficients {
  const in0 = Math.fround(boxBegin);
  const in1 = Math.fround(boxEnd);
  const scale = Math.fround(in1 - in0) / outSize;
  const filterScale = Math.max(scale, 1);
  const support = filterScale;
  const size = Math.ceil(support) * 2 + 1;
  const inverse = 1 / filterScale;
  const first = new Int32Array(outSize);
  const count = new Int32Array(outSize);
  const weights = new Int32Array(outSize * size);
  const unrounded = new Float64Array(size);
  for (let out = 0; out < outSize; out++) {
    const center = in0 + (out + 0.5) * scale;
    const begin = Math.max(Math.trunc(center - support + 0.5), 0);
    const taps = Math.min(Math.trunc(center + support + 0.5), inSize) - begin;
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const distance = Math.abs((tap + begin - center + 0.5) * inverse);
      const weight = distance < 1 ? 1 - distance : 0;
      unrounded[tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < taps; tap++) {
      const weight = sum === 0 ? unrounded[tap] : unrounded[tap] / sum;
      weights[out * size + tap] = Math.trunc(0.5 + weight * (1 << PRECISION_BITS));
    }
    first[out] = begin;
    count[out] = taps;
  }
  return { first, count, weights, size, begin: first[0], end: first[outSize - 1] + count[outSize - 1] };
}

/** Resample rows of RGBA pixels, whose first column is `columns.begin`, to rows of `columns.first.length` RGB pixels. */
function resampleColumns(
  pixels: Pixels,
  rows: number,
  columns: Coefficients,
  target: Uint8ClampedArray,
  targetOffset: number,
): void {
  const { first, count, weights, size, begin, end } = columns;
  const stride = (end - begin) * 4;
  const width = first.length;
  let to = targetOffset;
  for (let row = 0; row < rows; row++) {
    const rowStart = row * stride;
    for (let out = 0; out < width; out++) {
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      let from = rowStart + (first[out] - begin) * 4;
      const weightsStart = out * size;
      const weightsEnd = weightsStart + count[out];
      for (let tap = weightsStart; tap < weightsEnd; tap++) {
        const weight = weights[tap];
        red = (red + Math.imul(pixels[from], weight)) | 0;
        green = (green + Math.imul(pixels[from + 1], weight)) | 0;
        blue = (blue + Math.imul(pixels[from + 2], weight)) | 0;
        from += 4;
      }
      target[to] = red >> PRECISION_BITS;
      target[to + 1] = green >> PRECISION_BITS;
      target[to + 2] = blue >> PRECISION_BITS;
      to += CHANNELS;
    }
  }
}

/** Resample rows of `stride` bytes, the first of which is row `rows.begin` of the image, to `rows.first.length` rows. */
function resampleRows(bytes: Uint8ClampedArray, stride: number, rows: Coefficients, target: Uint8ClampedArray): void {
  const { first, count, weights, size, begin } = rows;
  const sums = new Int32Array(stride);
  for (let out = 0; out < first.length; out++) {
    sums.fill(HALF);
    for (let tap = 0; tap < count[out]; tap++) {
      const weight = weights[out * size + tap];
      const from = (first[out] + tap - begin) * stride;
      for (let at = 0; at < stride; at++) sums[at] = (sums[at] + Math.imul(bytes[from + at], weight)) | 0;
    }
    const to = out * stride;
    for (let at = 0; at < stride; at++) target[to + at] = sums[at] >> PRECISION_BITS;
  }
}

/** Both passes in JavaScript, for browsers whose WebAssembly has no SIMD. */
export function plainPasses(columns: Coefficients, rows: Coefficients): Passes {
  const stride = columns.first.length * CHANNELS;
  const narrow = new Uint8ClampedArray((rows.end - rows.begin) * stride);
  return {
    strip: () => undefined,
    columns: (pixels, count, row) => resampleColumns(pixels, count, columns, narrow, row * stride),
    rows() {
      const result = new Uint8ClampedArray(rows.first.length * stride);
      resampleRows(narrow, stride, rows, result);
      return new Uint8Array(result.buffer);
    },
    close: () => undefined,
  };
}

/**
 * Resample a box of an image.
 *
 * @param source the upright, opaque image.
 * @param box the part to keep, within the image.
 * @param passesOf what does the work.
 * @returns height * width * 3 bytes, RGB, rows first.
 */
export async function resample(
  source: PixelSource,
  box: Box,
  width: number,
  height: number,
  passesOf = simdPasses,
): Promise<Uint8Array<ArrayBuffer>> {
  const columns = coefficients(source.width, box[0], box[2], width);
  const rows = coefficients(source.height, box[1], box[3], height);
  const stripRows = Math.max(Math.floor(STRIP_PIXELS / (columns.end - columns.begin)), 1);
  const passes = passesOf(columns, rows, Math.min(stripRows, rows.end - rows.begin));
  try {
    for (let top = rows.begin; top < rows.end; top += stripRows) {
      const count = Math.min(stripRows, rows.end - top);
      const pixels = await source.read(columns.begin, top, columns.end - columns.begin, count, passes.strip(count));
      passes.columns(pixels, count, top - rows.begin);
    }
    return passes.rows();
  } finally {
    passes.close();
  }
}
