/** The browser's Cache Storage, as far as the service worker uses it. */
export class FakeCaches {
  /** Whether nothing can be opened. */
  broken = false;
  private readonly opened = new Map<string, FakeCache>();

  open(name: string): Promise<Cache> {
    if (this.broken) return Promise.reject(new DOMException('the disk is broken', 'UnknownError'));
    const cache = this.opened.get(name) ?? new FakeCache();
    this.opened.set(name, cache);
    return Promise.resolve(cache as unknown as Cache);
  }

  delete(name: string): Promise<boolean> {
    return Promise.resolve(this.opened.delete(name));
  }

  /** The one cache that was opened. */
  only(): FakeCache {
    const [cache, ...others] = this.opened.values();
    if (others.length > 0) throw new Error('more than one cache was opened');
    return cache;
  }
}

class FakeCache {
  private readonly entries = new Map<string, { body: ArrayBuffer; headers: Headers }>();

  async put(url: string, response: Response): Promise<void> {
    this.entries.set(url, { body: await response.arrayBuffer(), headers: response.headers });
  }

  match(url: string): Promise<Response | undefined> {
    const found = this.entries.get(url);
    return Promise.resolve(found && new Response(found.body, { headers: found.headers }));
  }

  delete(request: string | { readonly url: string }): Promise<boolean> {
    return Promise.resolve(this.entries.delete(typeof request === 'string' ? request : request.url));
  }

  keys(): Promise<{ readonly url: string }[]> {
    return Promise.resolve([...this.entries.keys()].map((url) => ({ url })));
  }
}
