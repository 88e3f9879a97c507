/**
 * A worker under the page's policy. A worker obeys the headers of its own script, and many hosts can send none; one that
 * is started from a `blob:` address has its creator's policy.
 */

/**
 * Start a module worker.
 *
 * @param url of its script, on this page's host.
 */
export function confinedWorker(url: string, name: string): Worker {
  const script = `import ${JSON.stringify(new URL(url, document.baseURI).href)};`;
  const address = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
  return new Worker(address, { type: 'module', name });
}
