/**
 * Kernels of ours beside those of the wasm backend, on its memory, in WebAssembly with relaxed SIMD. TensorFlow.js' own
 * binary is from before that, and does whatever a kernel of ours leaves to it.
 */
import type { DataId, FusedConv2DAttrs, KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';

/** The part of `BackendWasm` that is used. Of `asm`, `_malloc` and `_free`, Emscripten's, its types say nothing. */
export interface WasmBackend {
  readonly wasm: {
    /** `memory` is not there where threads share it. */
    readonly asm: { readonly memory?: WebAssembly.Memory };
    _malloc(bytes: number): number;
    _free(place: number): void;
  };
  readonly dataIdMap: { get(id: DataId): { readonly memoryOffset: number } };
  makeOutput(shape: number[], dtype: 'float32'): TensorInfo;
}

/** What a convolution is given; shapes are NHWC where the attributes say so. */
export interface Convolution {
  readonly inputs: { readonly x: TensorInfo; readonly filter: TensorInfo; readonly bias?: TensorInfo | null };
  readonly attrs: FusedConv2DAttrs;
}

export type Shape = [number, number, number, number];

/** The output; null for what is left to TensorFlow.js. */
type Convolve = (given: Convolution) => TensorInfo | null;

/** What each activation leaves of a value. */
export const CLAMPS: Readonly<Partial<Record<string, readonly [least: number, most: number]>>> = {
  linear: [-Infinity, Infinity],
  relu: [0, Infinity],
  relu6: [0, 6],
};

/** Assembled code on the memory of one backend. */
export class Machine {
  readonly backend: WasmBackend;
  readonly exports: WebAssembly.Exports;
  private readonly memory: WebAssembly.Memory;
  private scratch = 0;
  private scratchBytes = 0;

  private constructor(backend: WasmBackend, memory: WebAssembly.Memory, code: Uint8Array<ArrayBuffer>) {
    this.backend = backend;
    this.memory = memory;
    this.exports = new WebAssembly.Instance(new WebAssembly.Module(code), { tfjs: { memory } }).exports;
  }

  /** Null where there is no relaxed SIMD, or threads share the memory and the work. */
  static on(backend: WasmBackend, code: Uint8Array<ArrayBuffer>): Machine | null {
    const { memory } = backend.wasm.asm;
    return memory && WebAssembly.validate(code) ? new Machine(backend, memory, code) : null;
  }

  /** The whole memory, as it is now: it is another one once it has grown. */
  bytes(): Uint8Array {
    return new Uint8Array(this.memory.buffer);
  }

  place({ dataId }: TensorInfo): number {
    return this.backend.dataIdMap.get(dataId).memoryOffset;
  }

  /** A place of so many bytes, to be used until the next call; 0 where the memory has none left. */
  reserve(bytes: number): number {
    if (bytes > this.scratchBytes) {
      const { wasm } = this.backend;
      wasm._free(this.scratch); // of nothing, 0, it does nothing
      this.scratch = wasm._malloc(bytes);
      this.scratchBytes = this.scratch === 0 ? 0 : bytes;
    }
    return this.scratch;
  }
}

/**
 * TensorFlow.js' kernel, with ours before it.
 *
 * @param code of a module that imports the memory as `tfjs.memory`.
 * @param make ours on one backend.
 */
export function withOurs(
  own: KernelConfig,
  code: Uint8Array<ArrayBuffer>,
  make: (machine: Machine) => Convolve,
): KernelConfig {
  // Set up each time that a backend becomes the current one, and for each of the backends that have the kernel.
  const kernels = new WeakMap<object, Convolve | null>();
  return {
    ...own,
    setupFunc(backend) {
      own.setupFunc?.(backend);
      if (kernels.has(backend)) return;
      const machine = Machine.on(backend as unknown as WasmBackend, code);
      kernels.set(backend, machine && make(machine));
    },
    kernelFunc: (given) => kernels.get(given.backend)?.(given as never) ?? own.kernelFunc(given),
  };
}
