/** Pictures that are functions of position: the same formulas as `pattern_pixels` in golden/make.py. */
import type { PixelSource } from '../src/resample.ts';

type Formula = (x: number, y: number, channel: number, width: number) => number;

const FORMULAS: Record<string, Formula> = {
  noise: (x, y, channel, width) => {
    let value = (y * width + x) * 3 + channel;
    value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
    value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
    return (value ^ (value >>> 16)) & 255;
  },
  gradient: (x, y, channel) => (x * 7 + y * 3 + channel * 50) & 255,
  checker: (x, y, channel) => ((x + y + channel) & 1) * 255,
  white: () => 255,
};

/** A made picture, computed where it is read. Its fourth byte is one that must not be looked at. */
export function pattern(name: string, width: number, height: number): PixelSource {
  const formula = FORMULAS[name];
  return {
    width,
    height,
    read(left, top, columns, rows) {
      if (left < 0 || top < 0 || left + columns > width || top + rows > height) throw new RangeError('outside');
      const pixels = new Uint8Array(columns * rows * 4);
      let at = 0;
      for (let y = top; y < top + rows; y++) {
        for (let x = left; x < left + columns; x++) {
          for (let channel = 0; channel < 3; channel++) pixels[at++] = formula(x, y, channel, width);
          pixels[at++] = 77;
        }
      }
      return pixels;
    },
  };
}
