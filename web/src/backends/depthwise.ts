/**
 * Depthwise convolutions of three by three on the wasm backend (depthwise.wat): what networks like MobileNet look around
 * with.
 */
import { backend_util, type KernelConfig } from '@tensorflow/tfjs-core';
import code from './depthwise.wat';
import { CLAMPS, type Convolution, withOurs, type Machine, type Shape } from './relaxed.ts';

/** See depthwise.wat; places are in the backend's memory. */
type Depthwise = (
  input: number,
  height: number,
  width: number,
  channels: number,
  filter: number,
  bias: number,
  stride: number,
  top: number,
  left: number,
  outHeight: number,
  outWidth: number,
  least: number,
  most: number,
  out: number,
  rows: number,
  rowBytes: number,
) => void;

const EDGE = 3;
/** Channels, and places in a row, that are computed at a time. */
const LANES = 4;
const TILE = 4;

/** TensorFlow.js' `FusedDepthwiseConv2D`, with convolutions of three by three done here. */
export function withDepthwise(own: KernelConfig): KernelConfig {
  return withOurs(own, code, (machine) => {
    const depthwise = machine.exports.depthwise as Depthwise;
    return (given) => convolve(machine, depthwise, given);
  });
}

/**
 * The output; null for a convolution that is not three by three in steps of one or two and without gaps, or of numbers of
 * channels, a bias or an activation that do not suit.
 */
function convolve(machine: Machine, depthwise: Depthwise, { inputs: { x, filter, bias }, attrs }: Convolution) {
  const clamp = CLAMPS[attrs.activation];
  const [filterHeight, filterWidth, channels, multiplier] = filter.shape as Shape;
  const suits = filterHeight === EDGE && filterWidth === EDGE && channels % LANES === 0 && multiplier === 1;
  const suited = bias?.shape.length === 1 && bias.shape[0] === channels; // what TensorFlow.js says else is its own
  if (!suits || !suited || !clamp || attrs.dataFormat !== 'NHWC') return null;
  const { strides, pad, dilations, dimRoundingMode } = attrs;
  const [from, by] = [x.shape as Shape, filter.shape as Shape];
  const found = backend_util.computeConv2DInfo(from, by, strides, dilations, pad, dimRoundingMode, true);
  const { batchSize, inHeight, inWidth, outHeight, outWidth, strideHeight: stride, padInfo } = found;
  const even = found.strideWidth === stride && (stride === 1 || stride === 2);
  const dense = found.dilationHeight * found.dilationWidth === 1;
  if (!even || !dense || batchSize * outHeight * outWidth === 0) return null;
  const pixel = channels * Float32Array.BYTES_PER_ELEMENT;
  const seen = (Math.ceil(outWidth / TILE) * TILE - 1) * stride + EDGE;
  const rowBytes = Math.max(seen, padInfo.left + inWidth) * pixel;
  const scratch = machine.reserve(EDGE * rowBytes);
  if (scratch === 0) return null;
  const out = machine.backend.makeOutput(found.outShape, 'float32');
  const [images, weights, added, results] = [x, filter, bias, out].map((one) => machine.place(one));
  const input = [inHeight, inWidth, channels] as const;
  const output = [outHeight, outWidth] as const;
  const { top, left } = padInfo;
  for (let at = 0; at < batchSize; at++) {
    const image = images + at * inHeight * inWidth * pixel;
    const result = results + at * outHeight * outWidth * pixel;
    depthwise(image, ...input, weights, added, stride, top, left, ...output, ...clamp, result, scratch, rowBytes);
  }
  return out;
}
