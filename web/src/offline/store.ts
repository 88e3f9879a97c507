/**
 * What lies on the device for visits without a network: one build of the page and one version of the model, whole and
 * digest-checked, or nothing. Files that have come but are not vouched for yet lie beside them until the next `keep`.
 *
 * One entry, the deed, says what is kept. It is written when everything that it names is there, in one step, so that a
 * crash leaves the old visit or the new one and never parts of both.
 */
import { refilled } from './headers.ts';
import type { Keep, Kept } from './messages.ts';

/** The name of a gallery, within the model's version, has its digest. */
const GALLERY = /^gallery-([0-9a-f]{64})\.bin$/;

interface Deed {
  readonly version: string;
  readonly isolated: boolean;
  /** Under which address the kept index.html lies. */
  readonly page: string;
  /** SHA-256 by address. */
  readonly files: Readonly<Record<string, string>>;
}

/** The part of `Contract` that is read here; the page has checked all of it. */
interface Listing {
  readonly graphs: { readonly tfjs: { readonly path: string } };
  readonly files: readonly { readonly path: string; readonly sha256: string }[];
}

/** What of the browser is used, so that tests can put their own in its place. */
export interface Means {
  readonly caches: Pick<CacheStorage, 'open' | 'delete'>;
  readonly fetch: (url: string, options: RequestInit) => Promise<Response>;
}

export class Store {
  private readonly base: string;
  private readonly means: Means;
  private readonly name: string;
  private readonly page: string;
  private readonly deedAddress: string;
  private readonly writes = new Set<Promise<void>>();
  private deed: Deed | null | undefined;

  /**
   * @param base address of the folder of index.html, ending with a slash; pages in other folders have other stores.
   */
  constructor(base: string, means: Means) {
    this.base = base;
    this.means = means;
    this.name = `twinlens ${new URL(base).pathname}`;
    this.page = `${base}index.html`;
    this.deedAddress = `${base}?deed`;
  }

  /**
   * One file, if it is vouched for and is what it was; a damaged one is dropped. What `keep` has not seen may be anything
   * that a host said with status 200, and a page that does not start for it could never complain.
   */
  async read(url: string): Promise<Response | null> {
    try {
      const cache = await this.open();
      const found = await cache.match(url);
      const expected = (await this.readDeed())?.files[url];
      if (!found || !expected) return null;
      const bytes = await found.arrayBuffer();
      if ((await sha256(bytes)) === expected) return refilled(found, bytes);
      await cache.delete(url);
    } catch {
      // A store that cannot be read is as good as none.
    }
    return null;
  }

  /** The kept index.html, and whether it is to be isolated. */
  async readPage(): Promise<{ readonly response: Response; readonly isolated: boolean } | null> {
    const deed = await this.readDeed();
    const response = deed && (await this.read(deed.page));
    return response && { response, isolated: deed.isolated };
  }

  /** What `model/current` said when the kept version was loaded. */
  async readCurrent(): Promise<Response | null> {
    const deed = await this.readDeed();
    return deed && new Response(`${deed.version}\n`, { headers: { 'Content-Type': 'text/plain; charset=utf-8' } });
  }

  /** Take in a file that is on its way to the page. */
  put(url: string, response: Response): Promise<void> {
    const write: Promise<void> = this.open()
      .then((cache) => cache.put(url, response))
      .catch(() => undefined) // the disk is full, or the answer was cut off
      .finally(() => this.writes.delete(write));
    this.writes.add(write);
    return write;
  }

  /** Take in index.html as it is at the host; `keep` sees whether it is the one of the page that runs. */
  putPage(response: Response): Promise<void> {
    return this.put(this.page, response);
  }

  /** Settled once everything that was taken in has been written. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.writes);
  }

  /**
   * Keep what a page that can answer has loaded, and nothing else. No byte of it is asked of the network: it is here
   * already, or in the browser's own cache.
   */
  async keep({ build, address, loaded, model, isolated }: Keep): Promise<Kept> {
    await this.settled();
    const files: Record<string, string> = {};
    const missing: string[] = [];
    let size = 0;
    const take = async (url: string, digest: string, needed: boolean) => {
      const bytes = await this.obtain(url, digest);
      if (bytes) {
        files[url] = digest;
        size += bytes.byteLength;
      } else if (needed) {
        missing.push(url);
      }
      return bytes;
    };

    const folder = `${this.base}model/${model.version}/`;
    const contract = await take(`${folder}contract.json`, model.digest, true);
    const galleries = loaded.flatMap((url) => {
      const named = url.startsWith(folder) && GALLERY.exec(url.slice(folder.length));
      return named ? [{ url, digest: named[1] }] : [];
    });
    await Promise.all([
      // Without it the page answers all the same.
      ...galleries.map(({ url, digest }) => take(url, digest, false)),
      ...graphFiles(contract).map(({ path, sha256 }) => take(folder + path, sha256, true)),
      // Of the page's own files a browser loads those that it can run.
      ...Object.entries(build.files).map(([path, digest]) => {
        const url = this.base + path;
        return take(url, digest, loaded.includes(url));
      }),
    ]);
    const kept = `${this.page}?kept=${build.id}`;
    const page = await this.obtainPage(build.id, kept, address);
    if (!page) return { kept: false, missing: [...missing, this.page] };
    if (missing.length > 0) return { kept: false, missing };

    const bytes = await page.arrayBuffer();
    await (await this.open()).put(kept, refilled(page, bytes));
    files[kept] = await sha256(bytes);
    await this.writeDeed({ version: model.version, isolated, page: kept, files });
    await this.dropAllBut(files);
    return { kept: true, files: Object.keys(files).length, bytes: size + bytes.byteLength };
  }

  /** Drop what is not vouched for, and everything if something of what is vouched for is gone. */
  async sweep(): Promise<void> {
    await this.settled();
    const files = (await this.readDeed())?.files ?? {};
    const found = await Promise.all(Object.keys(files).map((url) => this.read(url)));
    if (found.length > 0 && found.every(Boolean)) await this.dropAllBut(files);
    else await this.clear();
  }

  /** Drop everything. */
  async clear(): Promise<void> {
    this.deed = undefined;
    await this.means.caches.delete(this.name);
  }

  private open(): Promise<Cache> {
    return this.means.caches.open(this.name);
  }

  /** The bytes of a file with this digest: from here, or from the browser's cache, and then they are here too. */
  private async obtain(url: string, digest: string): Promise<ArrayBuffer | null> {
    const cache = await this.open();
    const matching = async (found: Response | undefined) => {
      const bytes = found?.ok ? await found.arrayBuffer() : null;
      return bytes && (await sha256(bytes)) === digest ? bytes : null;
    };
    const here = await cache
      .match(url)
      .then(matching)
      .catch(() => null);
    if (here) return here;
    try {
      const recalled = await this.recall(url);
      const bytes = await matching(recalled);
      if (bytes) await cache.put(url, refilled(recalled, bytes));
      return bytes;
    } catch {
      return null;
    }
  }

  /** The index.html of one build: it holds the build's id. (Some hosts add to HTML, so it has no digest beforehand.) */
  private async obtainPage(id: string, kept: string, address: string): Promise<Response | null> {
    const cache = await this.open();
    for (const find of [
      // First what has just come: a server may name other addresses in the page of the same build.
      () => cache.match(this.page),
      () => cache.match(kept),
      () => this.recall(address),
      () => this.recall(this.base),
    ]) {
      const found = await find().catch(() => undefined);
      if (found?.ok && (await found.clone().text()).includes(`"id":"${id}"`)) return found;
    }
    return null;
  }

  /** What the browser's own cache has, without any use of the network. */
  private recall(url: string): Promise<Response> {
    return this.means.fetch(url, { cache: 'only-if-cached', mode: 'same-origin' });
  }

  private async readDeed(): Promise<Deed | null> {
    if (this.deed === undefined) {
      try {
        const found = await (await this.open()).match(this.deedAddress);
        this.deed = found ? ((await found.json()) as Deed) : null;
      } catch {
        return null; // damaged
      }
    }
    return this.deed;
  }

  private async writeDeed(deed: Deed): Promise<void> {
    await (await this.open()).put(this.deedAddress, new Response(JSON.stringify(deed)));
    this.deed = deed;
  }

  private async dropAllBut(files: Deed['files']): Promise<void> {
    const cache = await this.open();
    const dropped = (await cache.keys()).filter(({ url }) => !(url in files) && url !== this.deedAddress);
    await Promise.all(dropped.map((request) => cache.delete(request)));
  }
}

/** The files of a version that the page reads. */
function graphFiles(contract: ArrayBuffer | null): Listing['files'] {
  if (!contract) return [];
  const { graphs, files } = JSON.parse(new TextDecoder().decode(contract)) as Listing;
  const folder = graphs.tfjs.path.slice(0, graphs.tfjs.path.lastIndexOf('/') + 1);
  return files.filter(({ path }) => path.startsWith(folder));
}

async function sha256(bytes: ArrayBuffer): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
