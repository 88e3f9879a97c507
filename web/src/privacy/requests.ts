/**
 * Every request that the browser reports: of the page, of its worker, of the service worker.
 */
import type { Asked } from '../offline/messages.ts';

export interface Seen {
  readonly url: string;
  /** When it began, in milliseconds since 1970. */
  readonly at: number;
  readonly by: 'page' | 'worker' | 'service-worker';
  readonly refused: boolean;
}

/** Tell of every request of this page or worker: those of its past, and each one to come. */
export function observeRequests(tell: (requests: readonly Pick<Seen, 'url' | 'at'>[]) => void): void {
  new PerformanceObserver((list) => {
    const found = list.getEntries().filter(({ name }) => /^https?:/.test(name));
    const requests = found.map(({ name, startTime }) => ({ url: name, at: performance.timeOrigin + startTime }));
    if (requests.length > 0) tell(requests);
  }).observe({ type: 'resource', buffered: true });
}

export class Requests {
  /** Called after each change. */
  onChange: () => void = () => undefined;
  private readonly seen: Seen[] = [];
  private loadedAt = Infinity;

  /** Begin to watch the page and what its service worker tells. */
  watch(): void {
    observeRequests((requests) => this.add('page', requests));
    if (!('serviceWorker' in navigator)) return;
    navigator.serviceWorker.addEventListener('message', ({ data }: MessageEvent<Partial<Asked> | null>) => {
      if (data?.kind !== 'asked' || data.url === undefined) return;
      this.add('service-worker', [{ url: data.url, at: Date.now() }], data.answer === 'refused');
    });
    navigator.serviceWorker.startMessages();
  }

  /** Take in what somebody else has seen. */
  add(by: Seen['by'], requests: readonly Pick<Seen, 'url' | 'at'>[], refused = false): void {
    this.seen.push(...requests.map(({ url, at }) => ({ url, at, by, refused })));
    this.onChange();
  }

  /** From now on requests count as made after loading. */
  loaded(at = Date.now()): void {
    this.loadedAt = at;
    this.onChange();
  }

  /** Addresses of all that page and worker have asked for. */
  addresses(): string[] {
    return [...new Set(this.seen.filter(({ by }) => by !== 'service-worker').map(({ url }) => url))];
  }

  /** What was asked for after loading, oldest first. */
  sinceLoading(): Seen[] {
    return this.seen.filter(({ at }) => at > this.loadedAt).sort((a, b) => a.at - b.at);
  }
}
