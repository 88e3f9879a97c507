/**
 * WebAssembly on several threads, which a browser has on pages that are isolated from other origins. TensorFlow.js' own
 * binary and its own code for the threads, started so that the page's policy need allow no script from a `blob:`
 * address, and beside the backend on one thread instead of in its place.
 *
 * Built as a file of its own; the backend is made by modules.ts, in the engine's own file, whose classes are not this
 * file's.
 */
import binaryUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import factory, {
  type BackendWasmThreadedSimdModule,
} from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js';
import source from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js?raw';
import { wasmWorkerContents } from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js';

/** More are no faster for networks of a few million weights, and take what the rest of the device needs. */
const MOST_THREADS = 4;

type Receive = (instance: WebAssembly.Instance, module: WebAssembly.Module) => void;

/** Emscripten's own, of which TensorFlow.js' types say nothing. */
interface Emscripten {
  readonly cwrap: (name: string, result: string | null, parameters: string[]) => unknown;
  readonly PThread: { readonly unusedWorkers: Worker[] };
}

/** As many threads as are good for a device. */
export function threadsFor(cores: number): number {
  return Math.min(cores, MOST_THREADS);
}

/** Fetch the binary, which is instantiated later, perhaps more than once. */
export async function fetchBinary(): Promise<WebAssembly.Module> {
  const response = await fetch(binaryUrl);
  if (!response.ok) throw new Error(`status ${response.status}`);
  return WebAssembly.compile(await response.arrayBuffer());
}

/** What one instance of the binary is. */
export interface Instance {
  /** What `BackendWasm` is made of. */
  readonly module: BackendWasmThreadedSimdModule;
  /** Fulfilled once a thread has failed, pending as long as all of them work. */
  readonly failed: Promise<void>;
}

/**
 * Instantiate the binary, and load it into the workers that will be its threads.
 *
 * @returns the instance with the functions that TensorFlow.js expects of it: those that `init` in its backend_wasm.ts adds.
 * @throws Error if a thread cannot be started.
 */
export async function instantiate(binary: WebAssembly.Module): Promise<Instance> {
  const script = URL.createObjectURL(new Blob(threadScript(), { type: 'text/javascript' }));
  const found = {
    locateFile: () => script,
    mainScriptUrlOrBlob: script, // the threads have it already
    instantiateWasm: (imports: WebAssembly.Imports, receive: Receive) => {
      void WebAssembly.instantiate(binary, imports).then((instance) => receive(instance, binary));
      return {}; // the exports come later, says Emscripten
    },
  };
  // It makes the workers at once, and of what it was given the module.
  const started = factory(found);
  const { PThread, cwrap } = found as unknown as Emscripten;
  const failed = failureOf(PThread.unusedWorkers);
  const ended = await Promise.race([started, failed.then(() => null)]);
  URL.revokeObjectURL(script);
  if (!ended) {
    for (const worker of PThread.unusedWorkers) worker.terminate();
    throw new Error('a thread could not be started');
  }
  const module = ended as BackendWasmThreadedSimdModule;
  module.tfjs = {
    init: cwrap('init', null, []),
    initWithThreadsCount: cwrap('init_with_threads_count', null, ['number']),
    getThreadsCount: cwrap('get_threads_count', 'number', []),
    registerTensor: cwrap('register_tensor', null, ['number', 'number', 'number']),
    disposeData: cwrap('dispose_data', null, ['number']),
    dispose: cwrap('dispose', null, []),
  } as BackendWasmThreadedSimdModule['tfjs'];
  return { module, failed };
}

/** Fulfilled once one of some workers has failed. Emscripten would throw that, and end the page's worker with it. */
function failureOf(workers: readonly Worker[]): Promise<void> {
  return new Promise((resolve) => {
    for (const worker of workers) {
      worker.addEventListener('error', (event) => {
        event.preventDefault();
        event.stopImmediatePropagation();
        resolve();
      });
    }
  });
}

/** End the workers of the pool that no thread runs on: there are always 8 at the start. */
export function endSpareWorkers(found: BackendWasmThreadedSimdModule): void {
  const { PThread } = found as unknown as Emscripten;
  for (const worker of PThread.unusedWorkers.splice(0)) worker.terminate();
}

/** The whole script of a thread, so that it need not import any. */
function threadScript(): string[] {
  return [
    'self.importScripts = () => undefined;\n',
    // As it comes: minified, it would not do without what lies around it.
    source,
    // As `init` in backend_wasm.ts does it: line ends within the script's strings have become real ones.
    wasmWorkerContents.replace(/\n/g, '\\n'),
  ];
}
