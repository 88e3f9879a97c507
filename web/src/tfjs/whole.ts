/**
 * The whole of TensorFlow.js' converter and WebAssembly backend, for graphs with operations that operations.ts does not
 * list, as TensorFlow's own converter may write them. Built as a file of its own, which only such a graph makes the page
 * fetch.
 */
import '@tensorflow/tfjs-backend-wasm/dist/register_all_kernels';

export { GraphModel } from '@tensorflow/tfjs-converter';
