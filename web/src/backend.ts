/**
 * TensorFlow.js on WebAssembly, with SIMD where the browser has it.
 */
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import simdUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import threadedUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import plainUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import { env, getBackend, setBackend } from '@tensorflow/tfjs-core';
import { FailureError } from './failure.ts';

/**
 * Start the backend.
 *
 * @returns its name.
 * @throws FailureError `no_backend` if the browser cannot run it.
 */
export async function startBackend(): Promise<string> {
  setWasmPaths({
    'tfjs-backend-wasm.wasm': plainUrl,
    'tfjs-backend-wasm-simd.wasm': simdUrl,
    'tfjs-backend-wasm-threaded-simd.wasm': threadedUrl,
  });
  // One thread on every host, cross-origin isolated or not, until threads have been measured.
  env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  if (!(await setBackend('wasm'))) throw new FailureError({ code: 'no_backend' });
  return getBackend();
}
