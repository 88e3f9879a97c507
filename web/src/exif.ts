/**
 * The EXIF orientation: how it is read from an EXIF block, and how stored pixels become upright ones.
 */
import type { PixelSource } from './resample.ts';

const ORIENTATION_TAG = 0x0112;
const ENTRY_BYTES = 12;
const SHORT = 3;
const LONG = 4;

/**
 * Read the orientation from an EXIF block, with or without the `Exif` prefix that JPEG gives it.
 *
 * @returns 1 to 8; 1 (upright) where there is none or the block is damaged.
 */
export function readOrientation(block: Uint8Array): number {
  const prefix = block[0] === 0x45 && block[1] === 0x78 ? 6 : 0;
  const view = new DataView(block.buffer, block.byteOffset + prefix, block.byteLength - prefix);
  try {
    const littleEndian = view.getUint16(0) === 0x4949;
    if (view.getUint16(2, littleEndian) !== 42) return 1;
    const directory = view.getUint32(4, littleEndian);
    const entries = view.getUint16(directory, littleEndian);
    for (let entry = 0; entry < entries; entry++) {
      const at = directory + 2 + entry * ENTRY_BYTES;
      if (view.getUint16(at, littleEndian) !== ORIENTATION_TAG) continue;
      const type = view.getUint16(at + 2, littleEndian);
      const value =
        type === SHORT
          ? view.getUint16(at + 8, littleEndian)
          : type === LONG
            ? view.getUint32(at + 8, littleEndian)
            : 1;
      return value >= 1 && value <= 8 ? value : 1;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // the block ends too early
  }
  return 1;
}

/** How an orientation's stored axes lie in the upright image: swapped with each other, then mirrored. */
function axes(orientation: number): { swap: boolean; mirrorX: boolean; mirrorY: boolean } {
  return {
    swap: orientation >= 5,
    mirrorX: [2, 3, 7, 8].includes(orientation),
    mirrorY: [3, 4, 6, 7].includes(orientation),
  };
}

/** The transform (a, b, c, d, e, f of a 2D context) that draws stored pixels of this size upright. */
export function uprightTransform(
  orientation: number,
  width: number,
  height: number,
): [number, number, number, number, number, number] {
  const { swap, mirrorX, mirrorY } = axes(orientation);
  const alongX = mirrorX ? -1 : 1;
  const alongY = mirrorY ? -1 : 1;
  const shiftX = mirrorX ? width : 0;
  const shiftY = mirrorY ? height : 0;
  return swap ? [0, alongX, alongY, 0, shiftY, shiftX] : [alongX, 0, 0, alongY, shiftX, shiftY];
}

/** The upright image whose stored pixels `source` gives. */
export function upright(source: PixelSource, orientation: number): PixelSource {
  if (orientation === 1) return source;
  const { swap, mirrorX, mirrorY } = axes(orientation);
  return {
    width: swap ? source.height : source.width,
    height: swap ? source.width : source.height,
    async read(left, top, width, height) {
      const [storedLeft, storedWidth] = swap ? [top, height] : [left, width];
      const [storedTop, storedHeight] = swap ? [left, width] : [top, height];
      const stored = await source.read(
        mirrorX ? source.width - storedLeft - storedWidth : storedLeft,
        mirrorY ? source.height - storedTop - storedHeight : storedTop,
        storedWidth,
        storedHeight,
      );
      const from = new Uint32Array(stored.buffer, stored.byteOffset, storedWidth * storedHeight);
      const to = new Uint32Array(width * height);
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const u = swap ? y : x;
          const v = swap ? x : y;
          const storedX = mirrorX ? storedWidth - 1 - u : u;
          const storedY = mirrorY ? storedHeight - 1 - v : v;
          to[y * width + x] = from[storedY * storedWidth + storedX];
        }
      }
      return new Uint8Array(to.buffer);
    },
  };
}
