import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Keep } from '../src/offline/messages.ts';
import { Store } from '../src/offline/store.ts';
import { FakeCaches } from './caches.ts';

const BASE = 'https://host.example/some/path/';
const digest = (text: string) => createHash('sha256').update(text).digest('hex');
const at = (path: string) => BASE + path;

/** A published page and model, and what the browser's own cache holds of them. */
function published(build: string, version: string): { keep: Keep; files: Record<string, string> } {
  const script = `script of ${build}`;
  const graph = `graph of ${version}`;
  const contract = JSON.stringify({
    graphs: { tfjs: { path: 'tfjs/model.json' } },
    files: [
      { path: 'model.onnx', sha256: digest('the server’s') },
      { path: 'tfjs/model.json', sha256: digest(graph) },
    ],
  });
  const files = {
    [BASE]: `<html>"id":"${build}"</html>`,
    [at(`assets/main-${build}.js`)]: script,
    [at(`model/${version}/contract.json`)]: contract,
    [at(`model/${version}/tfjs/model.json`)]: graph,
  };
  const keep: Keep = {
    kind: 'keep',
    build: {
      id: build,
      files: { [`assets/main-${build}.js`]: digest(script), 'assets/other.wasm': digest('for another browser') },
    },
    address: BASE,
    loaded: [at(`assets/main-${build}.js`), at('model/current')],
    model: { version, digest: digest(contract) },
    isolated: false,
  };
  return { keep, files };
}

function without(files: Record<string, string>, path: string): Record<string, string> {
  return Object.fromEntries(Object.entries(files).filter(([url]) => url !== at(path)));
}

let caches: FakeCaches;
let cached: Record<string, string>;
let modes: unknown[];

function open(): Store {
  return new Store(BASE, {
    caches,
    fetch: (url, options) => {
      modes.push(options.cache);
      return url in cached ? Promise.resolve(new Response(cached[url])) : Promise.reject(new TypeError('not cached'));
    },
  });
}

const textOf = async (store: Store, url: string) => (await store.read(url))?.text();

beforeEach(() => {
  caches = new FakeCaches();
  cached = {};
  modes = [];
});

describe('keep', () => {
  test('takes what the browser has in its own cache, and asks no network', async () => {
    const { keep, files } = published('a1', 'v1');
    cached = files;
    const store = open();
    const bytes = Object.values(files).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    expect(await store.keep(keep)).toEqual({ kept: true, files: 4, bytes });
    expect(new Set(modes)).toEqual(new Set(['only-if-cached']));
    const fresh = open(); // as after the browser has ended the service worker
    expect(await (await fresh.readPage())?.response.text()).toBe(files[BASE]);
    expect(await (await fresh.readCurrent())?.text()).toBe('v1\n');
    expect(await textOf(fresh, at('model/v1/tfjs/model.json'))).toBe('graph of v1');
  });

  test('takes the gallery that was loaded, held to its name, and does without', async () => {
    const { keep, files } = published('a1', 'v1');
    const gallery = at(`model/v1/gallery-${digest('photos')}.bin`);
    const asked = { ...keep, loaded: [...keep.loaded, gallery] };
    cached = { ...files, [gallery]: 'photos' };
    const store = open();
    expect(await store.keep(asked)).toMatchObject({ kept: true, files: 5 });
    expect(await textOf(store, gallery)).toBe('photos');
    cached = { ...files, [gallery]: 'other photos' };
    await store.clear();
    expect(await store.keep(asked)).toMatchObject({ kept: true, files: 4 });
    expect(await store.read(gallery)).toBeNull();
  });

  test.each(['', 'assets/main-a1.js', 'model/v1/contract.json', 'model/v1/tfjs/model.json'])(
    'keeps nothing where %j is missing',
    async (path) => {
      const { keep, files } = published('a1', 'v1');
      cached = without(files, path);
      const store = open();
      expect(await store.keep(keep)).toEqual({
        kept: false,
        missing: expect.arrayContaining([at(path || 'index.html')]) as string[],
      });
      expect(await store.readPage()).toBeNull();
      expect(await store.readCurrent()).toBeNull();
    },
  );

  test('does not take a file of another digest, nor the page of another build', async () => {
    const { keep, files } = published('a1', 'v1');
    cached = { ...files, [at('model/v1/tfjs/model.json')]: 'changed' };
    expect(await open().keep(keep)).toEqual({ kept: false, missing: [at('model/v1/tfjs/model.json')] });
    cached = { ...files, [BASE]: published('b2', 'v1').files[BASE] };
    expect(await open().keep(keep)).toEqual({ kept: false, missing: [at('index.html')] });
  });

  test('finds what went past it, and the page under the address that it was opened at', async () => {
    const { keep, files } = published('a1', 'v1');
    const address = `${BASE}?lang=zh`;
    cached = { [address]: files[BASE] };
    const store = open();
    for (const [url, text] of Object.entries(files)) if (url !== BASE) void store.put(url, new Response(text));
    expect(await store.keep({ ...keep, address })).toMatchObject({ kept: true });
  });

  test('a page of the same build that names another gallery takes the place of the one before', async () => {
    const store = open();
    const { keep, files } = published('a1', 'v1');
    cached = files;
    await store.keep(keep);
    const other = `${files[BASE]}<!-- another gallery -->`;
    await store.put(at('index.html'), new Response(other));
    expect(await store.keep(keep)).toMatchObject({ kept: true });
    expect(await (await store.readPage())?.response.text()).toBe(other);
  });

  test('a new page and model take the place of the old ones, of which nothing is left', async () => {
    const store = open();
    const first = published('a1', 'v1');
    cached = first.files;
    await store.keep(first.keep);
    const second = published('b2', 'v2');
    cached = second.files;
    expect(await store.keep(second.keep)).toMatchObject({ kept: true });
    expect(await (await store.readCurrent())?.text()).toBe('v2\n');
    expect(await (await store.readPage())?.response.text()).toBe(second.files[BASE]);
    for (const url of Object.keys(first.files)) expect(await store.read(url)).toBeNull();
  });

  test('the old ones stay whole where the new ones did not come whole', async () => {
    const store = open();
    const first = published('a1', 'v1');
    cached = first.files;
    await store.keep(first.keep);
    const second = published('b2', 'v2');
    cached = without(second.files, 'model/v2/tfjs/model.json');
    expect(await store.keep(second.keep)).toMatchObject({ kept: false });
    expect(await (await store.readCurrent())?.text()).toBe('v1\n');
    expect(await (await store.readPage())?.response.text()).toBe(first.files[BASE]);
    expect(await textOf(store, at('model/v1/tfjs/model.json'))).toBe('graph of v1');
  });

  test('pages in other folders of a host are kept apart', async () => {
    const { keep, files } = published('a1', 'v1');
    cached = files;
    await open().keep(keep);
    const other = new Store('https://host.example/other/', { caches, fetch: () => Promise.reject(new TypeError()) });
    expect(await other.readPage()).toBeNull();
    await other.clear();
    expect(await open().readPage()).not.toBeNull();
  });
});

describe('what is damaged', () => {
  let store: Store;
  const graph = at('model/v1/tfjs/model.json');

  beforeEach(async () => {
    const { keep, files } = published('a1', 'v1');
    cached = files;
    store = open();
    await store.keep(keep);
  });

  test('is not given out, and is taken in anew', async () => {
    await caches.only().put(graph, new Response('graph of v'));
    expect(await store.read(graph)).toBeNull();
    expect(await store.keep(published('a1', 'v1').keep)).toMatchObject({ kept: true });
    expect(await textOf(store, graph)).toBe('graph of v1');
  });

  test('or was never vouched for is not given out: it may be anything that a host said with status 200', async () => {
    await store.put(at('assets/new.js'), new Response('<!doctype html>'));
    await store.settled();
    expect(await store.read(at('assets/new.js'))).toBeNull();
  });

  test('is a reason to drop everything, when the page could not be started', async () => {
    await caches.only().delete(graph);
    await store.sweep();
    expect(await store.readPage()).toBeNull();
    expect(await store.readCurrent()).toBeNull();
  });

  test('of a version that is not kept takes nothing away from the one that is', async () => {
    await store.put(at('model/v2/contract.json'), new Response('half of it'));
    await store.sweep();
    expect(await store.read(at('model/v2/contract.json'))).toBeNull();
    expect(await (await store.readCurrent())?.text()).toBe('v1\n');
    expect(await textOf(store, graph)).toBe('graph of v1');
  });

  test('in the deed is as if nothing were kept', async () => {
    await caches.only().put(`${BASE}?deed`, new Response('{"version":'));
    const fresh = open();
    expect(await fresh.readPage()).toBeNull();
    expect(await fresh.readCurrent()).toBeNull();
    expect(await fresh.keep(published('a1', 'v1').keep)).toMatchObject({ kept: true });
  });

  test('in the store as a whole is as if there were none', async () => {
    caches.broken = true;
    expect(await store.read(graph)).toBeNull();
    await store.put(graph, new Response('x'));
    await expect(store.settled()).resolves.toBeUndefined();
  });
});
