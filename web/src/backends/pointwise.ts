/**
 * Convolutions of one by one on the wasm backend with relaxed SIMD (pointwise.wat), where the browser has it: most of
 * what a network like MobileNet computes. TensorFlow.js' own kernel, from before relaxed SIMD, does all others.
 */
import {
  backend_util,
  type DataId,
  type FusedConv2DAttrs,
  type KernelConfig,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import code from './pointwise.wat';

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

/** The part of `BackendWasm` that is used. Of `asm`, `_malloc` and `_free`, Emscripten's, its types say nothing. */
export interface Backend {
  readonly wasm: {
    /** `memory` is not there where threads share it. */
    readonly asm: { readonly memory?: WebAssembly.Memory };
    _malloc(bytes: number): number;
    _free(place: number): void;
  };
  readonly dataIdMap: { get(id: DataId): { readonly memoryOffset: number } };
  makeOutput(shape: number[], dtype: 'float32'): TensorInfo;
}

interface Arguments {
  readonly inputs: { readonly x: TensorInfo; readonly filter: TensorInfo; readonly bias?: TensorInfo | null };
  readonly attrs: FusedConv2DAttrs;
  readonly backend: Backend;
}

type Shape = [number, number, number, number];

/** Columns that are computed at a time. */
const PANEL_COLUMNS = 8;
/** What each activation leaves of a value. */
const CLAMPS: Readonly<Partial<Record<string, readonly [least: number, most: number]>>> = {
  linear: [-Infinity, Infinity],
  relu: [0, Infinity],
  relu6: [0, 6],
};

/** TensorFlow.js' `FusedConv2D`, with convolutions of one by one done here. */
export function withPointwise(own: KernelConfig): KernelConfig {
  // Set up each time that a backend becomes the current one, and for each of the backends that have the kernel.
  const products = new WeakMap<object, Product | null>();
  return {
    ...own,
    setupFunc(backend) {
      own.setupFunc?.(backend);
      if (!products.has(backend)) products.set(backend, Product.on(backend as unknown as Backend));
    },
    kernelFunc: (given) => products.get(given.backend)?.convolve(given as never) ?? own.kernelFunc(given),
  };
}

class Product {
  private readonly backend: Backend;
  private readonly multiply: Multiply;
  private panel = 0;
  private panelBytes = 0;

  private constructor(backend: Backend, memory: WebAssembly.Memory) {
    this.backend = backend;
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), { tfjs: { memory } });
    this.multiply = exports.multiply as Multiply;
  }

  /** The product on a backend's memory; null where there is no relaxed SIMD, or threads share the memory and the work. */
  static on(backend: Backend): Product | null {
    const { memory } = backend.wasm.asm;
    return memory && WebAssembly.validate(code) ? new Product(backend, memory) : null;
  }

  /** The output; null for a convolution that is not one by one, or of numbers of channels that do not suit. */
  convolve({ inputs: { x, filter, bias }, attrs }: Arguments): TensorInfo | null {
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
    if (!allPlaces || !noMore || rows === 0 || !this.reserve(depth)) return null;
    const out = this.backend.makeOutput(found.outShape, 'float32');
    const [left, right, bottom, to] = [x, filter, bias, out].map((one) => this.place(one));
    this.multiply(left, rows, depth, right, columns, bottom, ...clamp, to, this.panel);
    return out;
  }

  private place({ dataId }: TensorInfo): number {
    return this.backend.dataIdMap.get(dataId).memoryOffset;
  }

  /** See that a panel of this depth has its place in the memory; whether it has. */
  private reserve(depth: number): boolean {
    const bytes = depth * PANEL_COLUMNS * Float32Array.BYTES_PER_ELEMENT;
    if (bytes > this.panelBytes) {
      const { wasm } = this.backend;
      wasm._free(this.panel); // of nothing, 0, it does nothing
      this.panel = wasm._malloc(bytes);
      this.panelBytes = this.panel === 0 ? 0 : bytes;
    }
    return bytes <= this.panelBytes;
  }
}
