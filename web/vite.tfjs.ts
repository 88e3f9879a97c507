/**
 * TensorFlow.js without what the page has no use for.
 *
 * The worker and each backend that is loaded later are built as files of their own, each with the few functions of
 * tfjs-core that it needs: TensorFlow.js keeps its state (engine, flags, kernels) in the global scope, so that several
 * copies of its code work as one. As chunks of one build they would share whatever any of them needs, and the first
 * answer would wait for it. `whole.ts` alone gets everything.
 */
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';

const HERE = fileURLToPath(new URL('./src/tfjs/', import.meta.url));
const CORE = `${HERE}core.ts`;
const NONE = `${HERE}none.ts`;
const WHOLE = `${HERE}whole.ts`;

const REPLACED: Readonly<Record<string, string>> = {
  '@tensorflow/tfjs-core': CORE,
  '@tensorflow/tfjs-core/dist/ops/ops_for_converter': `${HERE}ops.ts`,
};

/** Categories of operations that src/tfjs/operations.ts has none of. */
const CATEGORIES = 'control|creation|dynamic|evaluation|hash_table|image|logical|ragged|sparse|spectral|string';
const UNUSED = [
  new RegExp(`^\\./executors/(${CATEGORIES})_executor$`),
  new RegExp(`^\\./op_list/(${CATEGORIES})$`),
  // backends/threads.ts brings this one itself.
  /^\.\.\/wasm-out\/tfjs-backend-wasm-threaded-simd\.js$/,
];
/** The code of the threads, by the name that is imported from it. */
const NO_THREAD = /^\.\.\/wasm-out\/tfjs-backend-wasm-threaded-simd\.worker\.js$/;

/** A plugin of the build's; of a worker's, it has to be made anew for each. */
export function trimmedTfjs(): Plugin {
  let whole = false;
  return {
    name: 'trimmed-tfjs',
    apply: 'build',
    enforce: 'pre',
    // What is built by itself is imported too, by its address; Vite takes it for a worker, which exports nothing.
    options: (given) => ({ ...given, preserveEntrySignatures: 'exports-only' }),
    buildStart({ input }) {
      const entries = Array.isArray(input) ? input : Object.values(input);
      whole = entries.some((entry) => entry.startsWith(WHOLE));
    },
    resolveId(source, importer = '') {
      if (source in REPLACED) return whole ? null : REPLACED[source];
      if (!importer.includes('/@tensorflow/')) return null;
      if (NO_THREAD.test(source)) return `${NONE}?thread`;
      return UNUSED.some((pattern) => pattern.test(source)) && !whole ? NONE : null;
    },
    load: (id) => (id === `${NONE}?thread` ? "export const wasmWorkerContents = '';" : null),
  };
}
