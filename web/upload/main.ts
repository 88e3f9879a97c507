/**
 * The least page that asks a server: what the load test compares the real page with. `?way=shrunk` makes photos small
 * before they are sent. It has the real page's hooks (`data-testid`), so that one script drives both.
 */
import { Queue } from '../src/queue.ts';
import type { FromShrinker, ToShrinker } from '../src/compare/protocol.ts';

/** As many as a browser opens connections to one host over HTTP/1.1. */
const IN_PROGRESS = 6;

interface Reply {
  readonly predictions: readonly { readonly label: string; readonly score: number }[];
}

const classify = new URL('../v1/classify?top_k=1', document.baseURI);
const input = document.querySelector('input') as HTMLInputElement;
const results = document.querySelector('ol') as HTMLOListElement;
/** What was sent for each photo, in the order in which they were given; the load test sends the same from locust. */
const sent: (Blob | null)[] = [];
Reflect.set(globalThis, 'sent', sent);

const shrink = new URLSearchParams(location.search).get('way') === 'shrunk' ? shrinker() : (file: Blob) => file;

function shrinker(): (file: Blob) => Promise<Blob> {
  const worker = new Worker(new URL('../src/compare/shrinker.ts', import.meta.url), { type: 'module', name: 'shrink' });
  const waiting: { resolve(blob: Blob): void; reject(error: Error): void }[] = [];
  worker.onmessage = ({ data }: MessageEvent<FromShrinker>) => {
    if (data.blob) waiting[data.id].resolve(data.blob);
    else waiting[data.id].reject(new Error(data.error));
  };
  return (file) =>
    new Promise((resolve, reject) => {
      const id = waiting.push({ resolve, reject }) - 1;
      worker.postMessage({ id, file, model: new URL('../v1/model', document.baseURI).href } satisfies ToShrinker);
    });
}

const queue = new Queue<{ file: File; at: number; element: HTMLLIElement }>(async ({ file, at, element }) => {
  try {
    const body = await shrink(file);
    sent[at] = body;
    const response = await fetch(classify, { method: 'POST', body });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const best = ((await response.json()) as Reply).predictions[0];
    const label = document.createElement('span');
    label.dataset.testid = 'top-label';
    label.dataset.label = label.textContent = best.label;
    const score = document.createElement('span');
    score.dataset.testid = 'top-score';
    score.dataset.value = score.textContent = String(best.score);
    element.append(label, ' ', score);
  } catch (error) {
    element.dataset.error = error instanceof Error ? error.message : String(error);
  }
  element.dataset.testid = 'result';
}, IN_PROGRESS);

input.addEventListener('change', () => {
  const added = Array.from(input.files ?? [], (file) => {
    const element = document.createElement('li');
    return { file, at: sent.push(null) - 1, element };
  });
  input.value = ''; // so that the same photo can be chosen again
  results.append(...added.map(({ element }) => element));
  queue.add(added);
});
