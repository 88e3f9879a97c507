/**
 * WebAssembly on several threads, which a browser has on pages that are isolated from other origins. TensorFlow.js' own
 * binary and its own code for the threads, started so that the page's policy need allow no script from a `blob:`
 * address, and beside the backend on one thread instead of in its place.
 *
 * The engine's worker makes the backend: its classes are not this file's.
 */
import binaryUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import factory, {
  type BackendWasmThreadedSimdModule,
} from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js';
import { wasmWorkerContents } from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js';

/** More are no faster for networks of a few million weights, and take what the rest of the device needs. */
const MOST_THREADS = 4;

type Receive = (instance: WebAssembly.Instance, module: WebAssembly.Module) => void;

/** Emscripten's own, of which its types say nothing. */
interface Pool {
  PThread: { unusedWorkers: Worker[] };
}

/** As many threads as are good for this device. */
export function threadsFor(cores: number): number {
  return Math.min(cores, MOST_THREADS);
}

/** Fetch the binary, which is instantiated later, perhaps more than once. */
export async function fetchBinary(): Promise<WebAssembly.Module> {
  const response = await fetch(binaryUrl);
  if (!response.ok) throw new Error(`status ${response.status}`);
  return WebAssembly.compile(await response.arrayBuffer());
}

/**
 * Instantiate the binary, and load it into the workers that will be its threads.
 *
 * @returns what `BackendWasm` is made of, with the functions that it expects: those that `init` in TensorFlow.js'
 *   backend_wasm.ts adds.
 */
export async function instantiate(binary: WebAssembly.Module): Promise<BackendWasmThreadedSimdModule> {
  const script = URL.createObjectURL(new Blob(threadScript(), { type: 'text/javascript' }));
  const found = (await factory({
    locateFile: () => script,
    mainScriptUrlOrBlob: script, // the threads have it already
    instantiateWasm: (imports: WebAssembly.Imports, receive: Receive) => {
      void WebAssembly.instantiate(binary, imports).then((instance) => receive(instance, binary));
      return {}; // the exports come later, says Emscripten
    },
  })) as BackendWasmThreadedSimdModule;
  URL.revokeObjectURL(script);
  const wrap = found.cwrap.bind(found);
  found.tfjs = {
    init: wrap('init', null, []),
    initWithThreadsCount: wrap('init_with_threads_count', null, ['number']),
    getThreadsCount: wrap('get_threads_count', 'number', []),
    registerTensor: wrap('register_tensor', null, ['number', 'number', 'number']),
    disposeData: wrap('dispose_data', null, ['number']),
    dispose: wrap('dispose', null, []),
  };
  return found;
}

/** End the workers of the pool that no thread runs on: there are always 8 at the start. */
export function endSpareWorkers(found: BackendWasmThreadedSimdModule): void {
  for (const worker of (found as unknown as Pool).PThread.unusedWorkers.splice(0)) worker.terminate();
}

/** The whole script of a thread, so that it need not import any. */
function threadScript(): string[] {
  return [
    `self.importScripts = () => undefined;\nvar WasmBackendModuleThreadedSimd = ${factory.toString()};\n`,
    // As `init` in backend_wasm.ts does it: line ends within the script's strings have become real ones.
    wasmWorkerContents.replace(/\n/g, '\\n'),
  ];
}
