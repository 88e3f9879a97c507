import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isOurs, routeOf } from '../src/offline/routes.ts';
import { Server } from '../src/offline/server.ts';
import type { Store } from '../src/offline/store.ts';

const BASE = 'https://host.example/some/path/';

describe('routes', () => {
  const route = (path: string, mode: RequestMode = 'cors', method = 'GET') =>
    routeOf({ method, mode, url: new URL(path, BASE).href }, BASE);

  test.each(['', 'index.html', '?lang=zh', 'index.html?a=1'])('%j is the page', (path) => {
    expect(route(path, 'navigate')).toBe('page');
  });

  test.each(['licences.txt', 'docs.json', 'other/', '/elsewhere/'])('%j, opened as a page, is left alone', (path) => {
    expect(route(path, 'navigate')).toBe('through');
  });

  test.each(['assets/index-a_B-1.js', 'model/v1/contract.json', 'model/2026-1.a/tfjs/w.gz.bin'])(
    '%j is a file',
    (path) => {
      expect(route(path)).toBe('file');
    },
  );

  test.each(['app.webmanifest', 'icons/icon-192.png', 'sw.js'])('%j passes', (path) => {
    expect(route(path)).toBe('through');
  });

  test('the name of the version is asked for', () => expect(route('model/current')).toBe('current'));

  test.each([
    'assets/x.js?photo=1',
    'assets/',
    'secret',
    'model/',
    'model/v1/x.json?q',
    '/some/pathology/assets/x.js',
    '/assets/x.js',
    'https://elsewhere.example/some/path/assets/x.js',
    'v1/classify',
    'v1/classify?top_k=10',
    'v1/classify?photo=1',
  ])('%j is not the page’s', (path) => {
    expect(route(path)).toBe('other');
  });

  test('files are only read', () => expect(route('assets/x.js', 'cors', 'POST')).toBe('other'));

  test('the page and its workers are told from the folder’s other pages', () => {
    for (const ours of ['', '?lang=zh#x', 'index.html', 'assets/worker-1.js'])
      expect(isOurs(BASE + ours, BASE)).toBe(true);
    expect(isOurs('blob:https://host.example/0-1-2', BASE)).toBe(true);
    for (const other of ['other/', 'other/index.html']) expect(isOurs(BASE + other, BASE)).toBe(false);
    expect(isOurs('blob:https://elsewhere.example/0-1-2', BASE)).toBe(false);
  });
});

describe('answers', () => {
  let network: (url: string) => Promise<Response>;
  let kept: { page: string; current: string; isolated: boolean } | null;
  let taken: string[];
  let server: Server;
  const file = `${BASE}assets/worker-1.js`;

  beforeEach(() => {
    vi.useFakeTimers();
    kept = { page: 'kept page', current: 'v1\n', isolated: false };
    taken = [];
    network = () => Promise.reject(new TypeError('no network'));
    const store: Partial<Store> = {
      readPage: () => Promise.resolve(kept && { response: new Response(kept.page), isolated: kept.isolated }),
      readCurrent: () => Promise.resolve(kept && new Response(kept.current)),
      read: (url) => Promise.resolve(kept && url === file ? new Response('kept file') : null),
      put: (url) => Promise.resolve(void taken.push(url)),
      putPage: () => Promise.resolve(void taken.push('page')),
    };
    server = new Server(store as Store, (input) => network(input instanceof Request ? input.url : String(input)));
  });

  afterEach(() => vi.useRealTimers());

  test('the page comes from the network, isolated, and is taken in', async () => {
    network = () => Promise.resolve(new Response('new page', { headers: { 'x-host': 'its own' } }));
    const answer = await server.page(BASE);
    expect(await answer.text()).toBe('new page');
    expect(answer.headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(answer.headers.get('cross-origin-embedder-policy')).toBe('require-corp');
    expect(answer.headers.get('x-host')).toBe('its own');
    expect(taken).toEqual(['page']);
  });

  test.each([false, true])('without a network the page is the kept one, isolated as it was: %j', async (isolated) => {
    kept = { page: 'kept page', current: 'v1\n', isolated };
    const answer = await server.page(BASE);
    expect(await answer.text()).toBe('kept page');
    expect(answer.headers.has('cross-origin-embedder-policy')).toBe(isolated);
  });

  test('a host in trouble is no network', async () => {
    network = () => Promise.resolve(new Response('Bad gateway', { status: 502 }));
    expect(await (await server.page(BASE)).text()).toBe('kept page');
    kept = null;
    expect((await server.page(BASE)).status).toBe(502);
  });

  test('a network that does not answer is waited for a while, and longer where nothing is kept', async () => {
    let answer: (response: Response) => void = () => undefined;
    network = () => new Promise((resolve) => (answer = resolve));
    const early = server.page(BASE);
    await vi.advanceTimersByTimeAsync(5000);
    expect(await (await early).text()).toBe('kept page');
    kept = null;
    const late = server.page(BASE);
    await vi.advanceTimersByTimeAsync(5000);
    answer(new Response('new page'));
    expect(await (await late).text()).toBe('new page');
  });

  test('a page and a model that were kept together are used together', async () => {
    await server.page(BASE); // no network
    network = () => Promise.resolve(new Response('v2\n'));
    expect(await (await server.current(new Request(`${BASE}model/current`))).text()).toBe('v1\n');
    vi.advanceTimersByTime(60_000);
    expect(await (await server.current(new Request(`${BASE}model/current`))).text()).toBe('v2\n');
  });

  test('files come from the store first', async () => {
    expect(await (await server.file(new Request(file))).text()).toBe('kept file');
    expect(taken).toEqual([]);
  });

  test('what is not there comes from the network and is taken in; what is not found is not', async () => {
    network = (url) => Promise.resolve(new Response('new', { status: url.endsWith('2.wasm') ? 404 : 200 }));
    expect(await (await server.file(new Request(`${BASE}assets/1.wasm`))).text()).toBe('new');
    expect((await server.file(new Request(`${BASE}assets/2.wasm`))).status).toBe(404);
    expect(taken).toEqual([`${BASE}assets/1.wasm`]);
  });

  test('a host’s own headers are left as they are', async () => {
    const headers = { 'Cross-Origin-Embedder-Policy': 'credentialless' };
    network = () => Promise.resolve(new Response('new page', { headers }));
    expect((await server.page(BASE)).headers.get('cross-origin-embedder-policy')).toBe('credentialless');
  });
});
