/**
 * Convolutions of one by one on the wasm backend (pointwise.wat): most of what a network like MobileNet computes.
 */
import { backend_util, type KernelConfig } from '@tensorflow/tfjs-core';
import code from './pointwise.wat';
import { CLAMPS, type Convolution, withOurs, type Machine, type Shape } from './relaxed.ts';

/** See pointwise.wat; places are in the backend's memory. */
type Multiply = (
  left: number,
  rows: number,
  depth: number,
  right: number,
  columns: number,
  bias: number,
  least: number,
  most: number,
  out: number,
  panel: number,
) => void;

/** Columns that are computed at a time. */
const PANEL_COLUMNS = 8;

/** TensorFlow.js' `FusedConv2D`, with convolutions of one by one done here. */
export function withPointwise(own: KernelConfig): KernelConfig {
  return withOurs(own, code, (machine) => {
    const multiply = machine.exports.multiply as Multiply;
    return (given) => convolve(machine, multiply, given);
  });
}

/** The output; null for a convolution that is not one by one, or of numbers of channels that do not suit. */
function convolve(machine: Machine, multiply: Multiply, { inputs: { x, filter, bias }, attrs }: Convolution) {
  const clamp = CLAMPS[attrs.activation];
  const [height, width, depth, columns] = filter.shape as Shape;
  const suits = height * width === 1 && depth % 2 === 0 && columns % PANEL_COLUMNS === 0;
  const suited = bias?.shape.length === 1 && bias.shape[0] === columns; // what TensorFlow.js says else is its own
  if (!suits || !suited || !clamp || attrs.dataFormat !== 'NHWC') return null;
  const { strides, pad, dilations, dimRoundingMode } = attrs;
  const [from, by] = [x.shape as Shape, filter.shape as Shape];
  const found = backend_util.computeConv2DInfo(from, by, strides, dilations, pad, dimRoundingMode);
  const rows = found.batchSize * found.inHeight * found.inWidth;
  const allPlaces = found.strideHeight * found.strideWidth === 1;
  const noMore = found.outHeight === found.inHeight && found.outWidth === found.inWidth; // no padding
  if (!allPlaces || !noMore || rows === 0) return null;
  const panel = machine.reserve(depth * PANEL_COLUMNS * Float32Array.BYTES_PER_ELEMENT);
  if (panel === 0) return null;
  const out = machine.backend.makeOutput(found.outShape, 'float32');
  const [left, right, added, result] = [x, filter, bias, out].map((one) => machine.place(one));
  multiply(left, rows, depth, right, columns, added, ...clamp, result, panel);
  return out;
}
