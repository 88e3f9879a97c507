/**
 * An activation map as colours: which parts of the photo speak for a label.
 *
 * The scores do not change when all labels gain the same, so what a place says for one label is what it gives that label
 * beyond the mean of all. The scale is that of the whole photo: the strongest place for any label is 1, and maps of the
 * same photo can be compared.
 */
import type { ActivationMaps } from './protocol.ts';

/** Viridis (Smith and van der Walt, CC0): even to the eye, and to colour-blind eyes, in eleven steps from 0 to 1. */
const VIRIDIS = [
  [0x44, 0x01, 0x54],
  [0x48, 0x25, 0x76],
  [0x41, 0x44, 0x87],
  [0x35, 0x60, 0x8d],
  [0x2a, 0x78, 0x8e],
  [0x21, 0x90, 0x8c],
  [0x22, 0xa8, 0x84],
  [0x43, 0xbf, 0x71],
  [0x7a, 0xd1, 0x51],
  [0xbb, 0xdf, 0x27],
  [0xfd, 0xe7, 0x25],
] as const;

/**
 * How much each place speaks for a label.
 *
 * @returns one number from 0 to 1 per place, rows first.
 */
export function evidence({ width, height, values }: ActivationMaps, label: number): Float32Array {
  const places = width * height;
  const labels = values.length / places;
  const means = new Float32Array(places);
  if (labels > 1) for (let at = 0; at < values.length; at++) means[at % places] += values[at] / labels;
  let strongest = 0;
  for (let at = 0; at < values.length; at++) strongest = Math.max(strongest, values[at] - means[at % places]);
  const beyond = values.slice(label * places, (label + 1) * places);
  return beyond.map((value, at) => (strongest > 0 ? Math.max(value - means[at], 0) / strongest : 0));
}

/**
 * Enlarge a map with bilinear interpolation. Places are squares: their middle has their value, and up to half a place
 * from the edge the value of the outermost holds.
 *
 * @returns `edge * edge` numbers, rows first.
 */
export function enlarged(values: Float32Array, width: number, height: number, edge: number): Float32Array {
  const columns = stops(width, edge);
  const rows = stops(height, edge);
  const result = new Float32Array(edge * edge);
  rows.forEach(([above, below, down], y) => {
    columns.forEach(([left, right, across], x) => {
      const upper = mix(values[above * width + left], values[above * width + right], across);
      const lower = mix(values[below * width + left], values[below * width + right], across);
      result[y * edge + x] = mix(upper, lower, down);
    });
  });
  return result;
}

/** RGBA of numbers from 0 to 1, opaque. */
export function coloured(values: Float32Array): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(values.length * 4);
  values.forEach((value, at) => {
    const place = Math.min(Math.max(value, 0), 1) * (VIRIDIS.length - 1);
    const below = Math.min(Math.floor(place), VIRIDIS.length - 2);
    for (let channel = 0; channel < 3; channel++) {
      pixels[at * 4 + channel] = mix(VIRIDIS[below][channel], VIRIDIS[below + 1][channel], place - below);
    }
    pixels[at * 4 + 3] = 255;
  });
  return pixels;
}

/** For each of `edge` pixels: the two places it lies between, and how far it is from the first to the second. */
function stops(places: number, edge: number): (readonly [first: number, second: number, share: number])[] {
  return Array.from({ length: edge }, (_, pixel) => {
    const at = Math.min(Math.max(((pixel + 0.5) * places) / edge - 0.5, 0), places - 1);
    const first = Math.floor(at);
    return [first, Math.min(first + 1, places - 1), at - first];
  });
}

function mix(from: number, to: number, share: number): number {
  return from + (to - from) * share;
}
