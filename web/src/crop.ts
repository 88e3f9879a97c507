/**
 * The part of an image that the network sees: a port of `crop_box` in twinlens/preprocess.py, number for number.
 */
import type { Contract } from './contract.gen.ts';

/** Left, top, right and bottom edge in pixels of the upright image. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

/**
 * The centred box that "resize the shorter edge, then crop the centre" keeps, without rounding the resized size; along the
 * longer edge it may be longer, and is then squeezed into the crop.
 */
export function cropBox(width: number, height: number, contract: Pick<Contract, 'resize' | 'crop'>): Box {
  const scale = Math.min(width, height) / contract.resize.shorter_edge;
  const wide = width > height;
  const boxWidth = contract.crop.width * scale * (wide ? contract.resize.squeeze : 1);
  const boxHeight = contract.crop.height * scale * (wide ? 1 : contract.resize.squeeze);
  const left = Math.max((width - boxWidth) / 2, 0);
  const top = Math.max((height - boxHeight) / 2, 0);
  return [left, top, Math.min(left + boxWidth, width), Math.min(top + boxHeight, height)];
}
