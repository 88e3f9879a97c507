/**
 * What the service worker answers: the two files that change in place from the network where there is one, every other
 * file from the store where it is there.
 */
import { isolated } from './headers.ts';
import type { Store } from './store.ts';

/** How long a network that does not answer is waited for, where there is something to answer with. */
const PATIENCE_MS = 3000;
/** How long after the page was answered from the store its model is, too: what was kept together is used together. */
const TOGETHER_MS = 10_000;

export class Server {
  private readonly store: Store;
  private readonly fetch: typeof globalThis.fetch;
  private cutAt = -Infinity;

  /**
   * @param fetch asks the network.
   */
  constructor(store: Store, fetch: typeof globalThis.fetch) {
    this.store = store;
    this.fetch = fetch;
  }

  /** index.html. Where it came from the network, the files of an isolated page can come from there, too. */
  async page(url: string): Promise<Response> {
    const asked = this.fetch(url, { cache: 'no-cache', redirect: 'manual' });
    const fresh = await inTime(asked);
    if (fresh?.type === 'opaqueredirect') return fresh;
    if (fresh?.ok) {
      void this.store.putPage(fresh.clone());
      return isolated(fresh);
    }
    const kept = await this.store.readPage();
    if (!kept) return fresh ?? (await asked);
    this.cutAt = Date.now();
    return kept.isolated ? isolated(kept.response) : kept.response;
  }

  /** `model/current`. */
  async current(request: Request): Promise<Response> {
    if (Date.now() - this.cutAt < TOGETHER_MS) {
      const kept = await this.store.readCurrent();
      if (kept) return kept;
    }
    const asked = this.fetch(request);
    const fresh = await inTime(asked);
    if (fresh?.ok) return fresh;
    return (await this.store.readCurrent()) ?? fresh ?? (await asked);
  }

  /** A file whose name changes with its content. */
  async file(request: Request): Promise<Response> {
    const here = await this.store.read(request.url);
    if (here) return here;
    const fresh = await this.fetch(request);
    if (fresh.status === 200) void this.store.put(request.url, fresh.clone());
    return fresh;
  }
}

/** The answer, or null if there is none in time or at all. */
async function inTime(asked: Promise<Response>): Promise<Response | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), PATIENCE_MS)));
  try {
    return await Promise.race([asked, late]);
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}
