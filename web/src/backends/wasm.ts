/**
 * TensorFlow.js on WebAssembly, with SIMD where the browser has it, on one thread. It needs no compiling that takes long,
 * and is what the page starts on.
 */
import '@tensorflow/tfjs-backend-wasm/dist/base';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm/dist/backend_wasm';
import simdUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import plainUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import { env, registerKernel, setBackend } from '@tensorflow/tfjs-core';
import { KERNELS } from '../kernels/wasm.ts';
import { FailureError } from '../failure.ts';
import type { Backend } from './backend.ts';

/**
 * Start it.
 *
 * @returns null if this browser has no WebAssembly.
 * @throws FailureError `internal` if its binary has not come whole.
 */
export async function startWasm(): Promise<Backend | null> {
  if (!compiles()) return null;
  // TensorFlow.js says on the console what this page says in its own words.
  env().set('PROD', true);
  registerKernels();
  setWasmPaths({
    'tfjs-backend-wasm.wasm': plainUrl,
    'tfjs-backend-wasm-simd.wasm': simdUrl,
    // Wanted in every map, and never fetched: threads have a module of their own (threads.ts), since they take longer.
    'tfjs-backend-wasm-threaded-simd.wasm': simdUrl,
  });
  env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  if (!(await setBackend('wasm'))) throw new FailureError({ code: 'internal', reason: 'WebAssembly did not start' });
  return {
    id: 'wasm',
    threads: 1,
    lost: null,
    compile: () => Promise.resolve(),
    stop: () => undefined, // the page falls back on it
  };
}

/** Put the kernels, ours among them, in the place of whichever there are. */
export function registerKernels(): void {
  for (const kernel of KERNELS) registerKernel(kernel);
}

/** Whether this browser compiles WebAssembly at all: the smallest module. */
function compiles(): boolean {
  try {
    return new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)) instanceof WebAssembly.Module;
  } catch {
    return false;
  }
}
