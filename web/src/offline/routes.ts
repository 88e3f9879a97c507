/**
 * Which of a browser's requests are the page's, and what is done with each.
 */

export type Route =
  /** index.html: from the network, else what is kept. */
  | 'page'
  /** The name of the model's version: the same. */
  | 'current'
  /** A file whose name changes with its content: what is kept, else from the network. */
  | 'file'
  /** Known, and left to the browser. */
  | 'through'
  /** Not one of the page's: refused where the page or its worker asks, left alone where anybody else does. */
  | 'other';

const FILE = /^(assets\/[\w.-]+|model\/[0-9A-Za-z][\w.-]*\/[\w./-]+)$/;
const THROUGH = /^(app\.webmanifest|icons\/[\w.-]+|sw\.js|licences\.txt)$/;
const QUESTION = /^v1\/(classify(\?top_k=\d+)?|feedback)$/;

/**
 * @param base address of the folder of index.html, ending with a slash.
 */
export function routeOf(request: Pick<Request, 'method' | 'mode' | 'url'>, base: string): Route {
  const { method, mode, url } = request;
  if (mode === 'navigate') return method === 'GET' && isPage(url, base) ? 'page' : 'through';
  if (!url.startsWith(base)) return 'other';
  const path = url.slice(base.length);
  if (THROUGH.test(path)) return 'through';
  if (method !== 'GET') return 'other';
  if (path === 'model/current') return 'current';
  return FILE.test(path) ? 'file' : 'other';
}

/**
 * Whether a request asks a Twinlens server. The document may, which elsewhere its own policy forbids; a worker may not.
 */
export function isQuestion(url: string, base: string): boolean {
  return url.startsWith(base) && QUESTION.test(url.slice(base.length));
}

/** Whether an address is the page's, whatever its query. */
export function isPage(url: string, base: string): boolean {
  const address = url.replace(/[?#].*$/s, '');
  return address === base || address === `${base}index.html`;
}

/** Whether a client of the service worker is the page or a worker of it. */
export function isOurs(url: string, base: string): boolean {
  return isPage(url, base) || url.startsWith(`${base}assets/`) || url.startsWith(`blob:${new URL(base).origin}/`);
}
