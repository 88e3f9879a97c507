/** Of a file of TensorFlow.js that comes without types. */
declare module '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js' {
  /** The script of a thread; Emscripten's `worker.js`. */
  export const wasmWorkerContents: string;
}
