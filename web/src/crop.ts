/**
 * The part of an image that the network sees: a port of `crop_box` in twinlens/preprocess.py, number for number.
 */
import type { Contract } from './contract.gen.ts';

/** Left, top, right and bottom edge in pixels of the upright image. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

/** The centred box that "resize the shorter edge or both, then crop the centre" keeps, no size being rounded. */
export function cropBox(width: number, height: number, contract: Pick<Contract, 'resize' | 'crop'>): Box {
  const { aspect, shorter_edge } = contract.resize;
  const shorter = Math.min(width, height);
  const boxWidth = contract.crop.width * ((aspect === 'stretch' ? width : shorter) / shorter_edge);
  const boxHeight = contract.crop.height * ((aspect === 'stretch' ? height : shorter) / shorter_edge);
  const left = Math.max((width - boxWidth) / 2, 0);
  const top = Math.max((height - boxHeight) / 2, 0);
  return [left, top, Math.min(left + boxWidth, width), Math.min(top + boxHeight, height)];
}
