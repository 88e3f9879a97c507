/**
 * The code of the backends that the page does not start on, fetched when it already answers. All of it is fetched, the
 * one in use or not: the visitor may choose another later, when the page asks for nothing any more.
 */
import { BackendWasm, setThreadsCount } from '@tensorflow/tfjs-backend-wasm/dist/backend_wasm';
import { copyRegisteredKernels, registerBackend, removeBackend, setBackend } from '@tensorflow/tfjs-core';
import type { ContestantId } from '../choice.ts';
import type { BackendModule } from './backend.ts';
import threadsUrl from './threads.ts?worker&url';
import webglUrl from './webgl.ts?worker&url';
import webgpuUrl from './webgpu.ts?worker&url';

type Threads = typeof import('./threads.ts');

/** Milliseconds that a driver may take to say whether it is there: the page is not ready before. */
const PATIENCE = 3000;

/** Files that are built by themselves are imported by their address. */
async function bring(url: string): Promise<unknown> {
  return import(/* @vite-ignore */ url);
}

async function webgl(): Promise<BackendModule | null> {
  const there = typeof OffscreenCanvas !== 'undefined' && typeof WebGL2RenderingContext !== 'undefined';
  return there ? ((await bring(webglUrl)) as BackendModule) : null;
}

async function webgpu(): Promise<BackendModule | null> {
  const { gpu } = navigator as Partial<Navigator>;
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), PATIENCE));
  return (await Promise.race([gpu?.requestAdapter(), late])) ? ((await bring(webgpuUrl)) as BackendModule) : null;
}

async function threads(): Promise<BackendModule | null> {
  if (!globalThis.crossOriginIsolated) return null;
  const { endSpareWorkers, fetchBinary, instantiate, threadsFor } = (await bring(threadsUrl)) as Threads;
  const count = threadsFor(navigator.hardwareConcurrency);
  if (count < 2) return null;
  const binary = await fetchBinary();
  return {
    async start() {
      const { module, failed } = await instantiate(binary);
      setThreadsCount(count);
      const backend = new BackendWasm(module);
      endSpareWorkers(module);
      registerBackend('wasm-threads', () => backend);
      copyRegisteredKernels('wasm', 'wasm-threads');
      if (!(await setBackend('wasm-threads'))) return null;
      return {
        id: 'wasm-threads',
        threads: count,
        lost: failed,
        compile: () => Promise.resolve(),
        stop: () => removeBackend('wasm-threads'),
      };
    },
  };
}

/**
 * Fetch the code of every backend that this browser seems to have. One whose code cannot be fetched is left out: the
 * page answers without it.
 */
export async function fetchModules(): Promise<ReadonlyMap<ContestantId, BackendModule>> {
  const sources: [ContestantId, () => Promise<BackendModule | null>][] = [
    ['wasm-threads', threads],
    ['webgl', webgl],
    ['webgpu', webgpu],
  ];
  const found = await Promise.all(sources.map(async ([id, source]) => [id, await source().catch(() => null)] as const));
  return new Map(found.flatMap(([id, module]) => (module ? [[id, module] as const] : [])));
}
