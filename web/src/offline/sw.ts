/**
 * The service worker: visits without a network, and the headers and the gate that hosts of static files do not have.
 * It holds no list of files and no version, so it stays as it is when the page or the model changes.
 */
import type { Asked, Kept, ToServiceWorker } from './messages.ts';
import { isOurs, isPage, isQuestion, type Route, routeOf } from './routes.ts';
import { Server } from './server.ts';
import { Store } from './store.ts';

interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}

interface Fetched extends Extendable {
  readonly request: Request;
  readonly clientId: string;
  respondWith(answer: Promise<Response>): void;
}

interface Told extends Extendable {
  readonly data: ToServiceWorker;
  readonly ports: readonly MessagePort[];
}

interface OpenClient {
  readonly url: string;
  postMessage(message: unknown): void;
}

// TypeScript's types of service workers and of pages cannot stand in one project.
const scope = self as unknown as {
  readonly registration: { readonly scope: string };
  readonly clients: {
    claim(): Promise<void>;
    get(id: string): Promise<OpenClient | undefined>;
    matchAll(): Promise<readonly OpenClient[]>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(kind: 'install' | 'activate', listener: (event: Extendable) => void): void;
  addEventListener(kind: 'fetch', listener: (event: Fetched) => void): void;
  addEventListener(kind: 'message', listener: (event: Told) => void): void;
};

const base = scope.registration.scope;
const store = new Store(base, { caches, fetch: (url, options) => fetch(url, options) });
const server = new Server(store, (input, options) => {
  void tell(input instanceof Request ? input.url : String(input), 'network');
  return fetch(input, options);
});

/** Pages count what goes over the network, and cannot see it where a worker or this one asks. */
async function tell(url: string, answer: Asked['answer']): Promise<void> {
  const open = await scope.clients.matchAll();
  for (const client of open.filter((one) => isPage(one.url, base))) {
    client.postMessage({ kind: 'asked', url, answer } satisfies Asked);
  }
}

/** Nothing but the page's own files is asked for by the page or its worker; the folder's other pages are not ours. */
async function gate({ request, clientId }: Fetched): Promise<Response> {
  const client = await scope.clients.get(clientId);
  if (!client || !isOurs(client.url, base)) return fetch(request);
  if (isPage(client.url, base) && isQuestion(request.url, base)) return fetch(request);
  // Whose worker a `blob:` is cannot be seen; while another page of the folder is open it may be that one's.
  const open = client.url.startsWith('blob:') ? await scope.clients.matchAll() : [];
  if (open.some((one) => !isPage(one.url, base))) return fetch(request);
  await tell(request.url, 'refused');
  return Response.error();
}

function answerTo(route: Exclude<Route, 'through'>, event: Fetched): Promise<Response> {
  if (route === 'page') return server.page(event.request.url);
  if (route === 'current') return server.current(event.request);
  if (route === 'file') return server.file(event.request);
  return gate(event);
}

async function carryOut(message: ToServiceWorker, port: MessagePort | undefined): Promise<void> {
  if (message.kind === 'keep') {
    // Writing fails where the disk is full.
    port?.postMessage(await store.keep(message).catch((): Kept => ({ kept: false, missing: [] })));
  } else if (message.kind === 'doubt') {
    await store.sweep();
  } else {
    await store.clear();
    port?.postMessage(null);
  }
}

scope.addEventListener('install', (event) => {
  // While the page loads, since it asks for nothing afterwards; the browser has just fetched it, and gives it again.
  const page = fetch(base, { cache: 'force-cache' }).then((response) => store.putPage(response));
  event.waitUntil(Promise.allSettled([page, scope.skipWaiting()]));
});

scope.addEventListener('activate', (event) => event.waitUntil(scope.clients.claim()));

scope.addEventListener('fetch', (event) => {
  const { request } = event;
  const route = routeOf(request, base);
  if (route === 'through') return;
  const answer = answerTo(route, event);
  event.respondWith(answer);
  event.waitUntil(answer.then(() => store.settled()));
});

/** One after the other: what one tab has kept another would drop. */
let carried: Promise<unknown> = Promise.resolve();

scope.addEventListener('message', (event) => {
  carried = carried.then(() => carryOut(event.data, event.ports.at(0))).catch(() => undefined);
  event.waitUntil(carried);
});
