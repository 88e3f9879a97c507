/**
 * The page's side of its service worker: started while the page loads, told what to keep once it can answer.
 */
import type { Build, Kept, ToServiceWorker } from './messages.ts';

/** How long the page waits for a service worker that does not start. */
const PATIENCE_MS = 2000;
/** How long keeping may take: a service worker that only ends what there was never answers. */
const KEEPING_MS = 30_000;

/** How a visit without a network stands. */
export type Standing = Kept | { readonly kept: false; readonly reason: 'insecure' | 'unsupported' | 'blocked' };

export class Offline {
  /**
   * Settled once the service worker runs, or there is none to wait for: from then on nothing is asked for by it. A page
   * that says that it is loaded before this would still have a request to come.
   */
  readonly started: Promise<void>;
  /** The same without giving up: a slow device may keep what it has loaded, if only later. */
  private readonly running: Promise<void>;
  private readonly build = readBuild();
  private worker: ServiceWorker | null = null;

  constructor() {
    this.running = this.start().catch(() => undefined); // the browser or the visitor does not allow it
    this.started = Promise.race([this.running, after(PATIENCE_MS)]);
  }

  /**
   * Keep page and model for visits without a network.
   *
   * @param loaded addresses of what page and worker have loaded.
   */
  async keep(
    model: { readonly version: string; readonly digest: string },
    loaded: readonly string[],
  ): Promise<Standing> {
    if (!isSecureContext) return { kept: false, reason: 'insecure' };
    if (!('serviceWorker' in navigator) || !this.build) return { kept: false, reason: 'unsupported' };
    await Promise.race([this.running, after(KEEPING_MS)]);
    if (!this.worker) return { kept: false, reason: 'blocked' };
    const [{ name: address }] = performance.getEntriesByType('navigation');
    const { build } = this;
    return Promise.race([
      this.ask<Kept>({ kind: 'keep', build, address, loaded, model, isolated: crossOriginIsolated }),
      after(KEEPING_MS).then(() => ({ kept: false, reason: 'blocked' }) as const),
    ]);
  }

  /** The model that came could not be used: what is kept is looked through, so that loading again may help. */
  async doubt(): Promise<void> {
    await this.started;
    this.worker?.postMessage({ kind: 'doubt' } satisfies ToServiceWorker);
  }

  /** Drop what was kept, and the service worker with it; the next visit starts it anew. */
  async forget(): Promise<void> {
    await this.ask({ kind: 'forget' });
    const registration = await navigator.serviceWorker.getRegistration();
    await registration?.unregister();
    this.worker = null;
  }

  private async start(): Promise<void> {
    if (!this.build || !isSecureContext || !('serviceWorker' in navigator)) return;
    // Undefined where something stands before the browser's own and blocks it.
    const registration = (await navigator.serviceWorker.register('./sw.js')) as ServiceWorkerRegistration | undefined;
    const worker = registration && (registration.installing ?? registration.waiting ?? registration.active);
    if (!worker) return;
    while (worker.state !== 'activated' && worker.state !== 'redundant') {
      await new Promise((resolve) => worker.addEventListener('statechange', resolve, { once: true }));
    }
    if (worker.state === 'activated') this.worker = worker;
  }

  private ask<Reply>(message: ToServiceWorker): Promise<Reply> {
    return new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => {
        port1.close();
        resolve(data as Reply);
      };
      this.worker?.postMessage(message, [port2]);
    });
  }
}

function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** What the build wrote into index.html; null while the page is being worked on, from sources that have no build. */
function readBuild(): Build | null {
  const text = document.getElementById('build')?.textContent;
  return text ? (JSON.parse(text) as Build) : null;
}
