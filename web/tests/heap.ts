/**
 * What kernels of ours are tried on: memory in the place of TensorFlow.js' backend, and a kernel in the place of its own.
 */
import { setFlagsFromString } from 'node:v8';
import type { KernelConfig, KernelFunc, NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import type { WasmBackend } from '../src/backends/relaxed.ts';

const ATTRIBUTES = {
  strides: [1, 1],
  pad: 'valid',
  dataFormat: 'NHWC',
  dilations: [1, 1],
  dimRoundingMode: undefined,
  activation: 'linear',
  leakyreluAlpha: 0,
};

/** What TensorFlow.js' own kernel answers here. */
export const OWN: TensorInfo = { dataId: {}, shape: [], dtype: 'float32' };

/** A backend of nothing but memory, which is never given back. */
export class Heap implements WasmBackend {
  readonly dataIdMap = new Map<object, { memoryOffset: number }>() as unknown as WasmBackend['dataIdMap'];
  readonly memory = new WebAssembly.Memory({ initial: 64 });
  readonly reserved: number[] = [];
  private end = 16;
  readonly wasm = {
    asm: { memory: this.memory },
    _malloc: (bytes: number) => {
      this.reserved.push(bytes);
      return this.take(bytes);
    },
    _free: () => undefined,
  };

  makeOutput(shape: number[]): TensorInfo {
    return this.tensor(shape, () => NaN);
  }

  tensor(shape: number[], value: (at: number) => number): TensorInfo {
    const size = shape.reduce((product, edge) => product * edge, 1);
    const tensor: TensorInfo = { dataId: {}, shape, dtype: 'float32' };
    const memoryOffset = this.take(4 * size + 4); // with a number that nobody may write after it
    (this.dataIdMap as unknown as Map<object, { memoryOffset: number }>).set(tensor.dataId, { memoryOffset });
    this.values(tensor).set(Array.from({ length: size }, (_, at) => value(at)));
    new Float32Array(this.memory.buffer)[memoryOffset / 4 + size] = 1234;
    return tensor;
  }

  values({ dataId, shape }: TensorInfo): Float32Array {
    const size = shape.reduce((product, edge) => product * edge, 1);
    return new Float32Array(this.memory.buffer, this.dataIdMap.get(dataId).memoryOffset, size);
  }

  after({ dataId, shape }: TensorInfo): number {
    const size = shape.reduce((product, edge) => product * edge, 1);
    return new Float32Array(this.memory.buffer)[this.dataIdMap.get(dataId).memoryOffset / 4 + size];
  }

  private take(bytes: number): number {
    const begin = this.end;
    this.end += Math.ceil(bytes / 16) * 16;
    return begin;
  }
}

export function noise(seed: number): (at: number) => number {
  return (at) => (Math.imul((at + 1) * seed, 0x9e3779b1) >>> 8) / (1 << 23) - 1;
}

/** TensorFlow.js' own kernel. */
export const own = { kernelName: 'Fused', backendName: 'wasm', kernelFunc: () => OWN } satisfies KernelConfig;

/** A kernel, set up on a backend. */
export function kernelOn(heap: Heap, kernel: KernelConfig): KernelFunc {
  kernel.setupFunc?.(heap);
  return kernel.kernelFunc;
}

export function run(heap: Heap, kernel: KernelFunc, inputs: object, attrs: object = {}): TensorInfo {
  return kernel({
    inputs: inputs as NamedTensorInfoMap,
    attrs: { ...ATTRIBUTES, ...attrs } as unknown as NamedAttrMap,
    backend: heap,
  }) as TensorInfo;
}

/** What a kernel answers on a backend of its own, given ones of these shapes. */
export function ofShapes(kernel: KernelConfig, shapes: Readonly<Record<string, number[]>>, attrs: object): TensorInfo {
  const heap = new Heap();
  const inputs = Object.entries(shapes).map(([name, shape]) => [name, heap.tensor(shape, () => 1)]);
  return run(heap, kernelOn(heap, kernel), Object.fromEntries(inputs) as object, attrs);
}

/** Node.js 20 has relaxed SIMD behind a flag. */
export function allowRelaxedSimd(code: Uint8Array<ArrayBuffer>): void {
  if (!WebAssembly.validate(code)) setFlagsFromString('--experimental-wasm-relaxed-simd');
}
