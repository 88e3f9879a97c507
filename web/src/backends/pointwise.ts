/**
 * Convolutions as products of matrices on the wasm backend (pointwise.wat): those of one by one, most of what a network
 * like MobileNet computes, and those that see few numbers at a time, with which networks begin.
 */
import { backend_util, type KernelConfig, type TensorInfo } from '@tensorflow/tfjs-core';
import code from './pointwise.wat';
import { CLAMPS, type Convolution, type Machine, type Shape, withOurs } from './relaxed.ts';

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
type Gather = (
  image: number,
  height: number,
  width: number,
  pixel: number,
  rows: number,
  columns: number,
  y: number,
  x: number,
  stride: number,
  count: number,
  line: number,
  to: number,
) => void;

interface Functions {
  readonly multiply: Multiply;
  readonly gather: Gather;
}

/** Columns that are computed at a time. */
const PANEL_COLUMNS = 8;

/** Numbers that a window may see: with more, gathering them for each is no longer little beside multiplying them. */
const MOST_SEEN = 160;
/** Bytes of windows that are gathered before they are multiplied, so that they stay near the processor. */
const GATHERED_BYTES = 1 << 16;
const FLOAT = Float32Array.BYTES_PER_ELEMENT;

/** TensorFlow.js' `FusedConv2D`, with those that suit done here. */
export function withPointwise(own: KernelConfig): KernelConfig {
  return withOurs(own, code, (machine) => {
    const functions = machine.exports as unknown as Functions;
    return (given) => convolve(machine, functions, given);
  });
}

/** The output; null for a convolution that is not one by one nor sees little, or of channels that do not suit. */
function convolve(
  machine: Machine,
  functions: Functions,
  { inputs: { x, filter, bias }, attrs }: Convolution,
): TensorInfo | null {
  const clamp = CLAMPS[attrs.activation];
  const [height, width, channels, columns] = filter.shape as Shape;
  const suits = columns % PANEL_COLUMNS === 0 && height * width * channels > 0;
  const suited = bias?.shape.length === 1 && bias.shape[0] === columns; // what TensorFlow.js says else is its own
  if (!suits || !suited || !clamp || attrs.dataFormat !== 'NHWC') return null;
  const { strides, pad, dilations, dimRoundingMode } = attrs;
  const [from, by] = [x.shape as Shape, filter.shape as Shape];
  const found = backend_util.computeConv2DInfo(from, by, strides, dilations, pad, dimRoundingMode);
  const { batchSize, inHeight, inWidth, outHeight, outWidth, strideHeight, strideWidth, padInfo } = found;
  if (batchSize * outHeight * outWidth === 0) return null;
  const places = (out: TensorInfo) => [x, filter, bias, out].map((one) => machine.place(one));

  const allPlaces = strideHeight * strideWidth === 1 && outHeight === inHeight && outWidth === inWidth;
  if (height * width === 1 && channels % 2 === 0 && allPlaces) {
    const panel = machine.reserve(channels * PANEL_COLUMNS * FLOAT);
    if (panel === 0) return null;
    const out = machine.backend.makeOutput(found.outShape, 'float32');
    const [left, right, added, result] = places(out);
    const rows = batchSize * outHeight * outWidth;
    functions.multiply(left, rows, channels, right, columns, added, ...clamp, result, panel);
    return out;
  }

  const seen = height * width * channels;
  if (seen > MOST_SEEN || height * width === 1 || found.dilationHeight * found.dilationWidth > 1) return null;
  const depth = seen + (seen % 2); // as pointwise.wat needs it
  const line = depth * FLOAT;
  const most = Math.min(Math.max(Math.floor(GATHERED_BYTES / (outWidth * line)), 1), outHeight);
  const weightsBytes = line * columns;
  const panel = machine.reserve(depth * PANEL_COLUMNS * FLOAT + weightsBytes + most * outWidth * line);
  if (panel === 0) return null;
  const weights = panel + depth * PANEL_COLUMNS * FLOAT;
  const windows = weights + weightsBytes;
  const out = machine.backend.makeOutput(found.outShape, 'float32');
  const [image, right, added, result] = places(out);
  const memory = machine.bytes();
  memory.copyWithin(weights, right, right + seen * columns * FLOAT);
  memory.fill(0, weights + seen * columns * FLOAT, windows);
  const pixel = channels * FLOAT;
  for (let at = 0; at < batchSize; at++) {
    const input = [image + at * inHeight * inWidth * pixel, inHeight, inWidth, pixel] as const;
    for (let top = 0; top < outHeight; top += most) {
      const rows = Math.min(most, outHeight - top);
      for (let row = 0; row < rows; row++) {
        const y = (top + row) * strideHeight - padInfo.top;
        const to = windows + row * outWidth * line;
        functions.gather(...input, height, width, y, -padInfo.left, strideWidth, outWidth, line, to);
      }
      const to = result + (at * outHeight + top) * outWidth * columns * FLOAT;
      functions.multiply(windows, rows * outWidth, depth, weights, columns, added, ...clamp, to, panel);
    }
  }
  return out;
}
