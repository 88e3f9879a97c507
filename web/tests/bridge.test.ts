import { beforeEach, describe, expect, test } from 'vitest';
import { Bridge, type Port } from '../src/bridge.ts';
import type { FailureError } from '../src/failure.ts';
import type { Answer, FromWorker, Ready, ToWorker } from '../src/protocol.ts';

class FakePort implements Port {
  sent: ToWorker[] = [];
  onmessage: Port['onmessage'] = null;
  onerror: Port['onerror'] = null;

  postMessage(message: ToWorker): void {
    this.sent.push(message);
  }

  receive(data: FromWorker): void {
    this.onmessage?.({ data } as MessageEvent<FromWorker>);
  }
}

const READY: Ready = {
  model: { name: 'm', version: '1' },
  labels: [],
  backend: 'wasm',
  canvas: 'exact',
  digest: '',
  embeddingSize: 1,
};
const settle = () => new Promise((resolve) => setTimeout(resolve));

let port: FakePort;
let bridge: Bridge;
let progress: number[];
let closed: number;

function answer(score: number): Answer {
  const thumbnail = { close: () => closed++ } as unknown as ImageBitmap;
  return {
    scores: [score],
    embedding: new Float32Array(1),
    inputSha256: '',
    format: 'png',
    width: 1,
    height: 1,
    thumbnail,
  };
}

beforeEach(() => {
  port = new FakePort();
  progress = [];
  closed = 0;
  bridge = new Bridge(port, 'model/', (loaded, total) => progress.push(loaded / total));
  bridge.ready.catch(() => undefined);
});

test('starts the worker, passes its progress on, then its model', async () => {
  expect(port.sent).toEqual([{ kind: 'start', model: 'model/' }]);
  port.receive({ kind: 'progress', loaded: 1, total: 2 });
  port.receive({ kind: 'ready', ready: READY });
  expect(await bridge.ready).toBe(READY);
  expect(progress).toEqual([0.5]);
});

test('a model that cannot be loaded fails every photo with its code', async () => {
  port.receive({ kind: 'not-ready', failure: { code: 'invalid_model', path: 'w.bin' } });
  await expect(bridge.classify(new Blob(), new AbortController().signal)).rejects.toThrow('invalid_model');
});

test('progress that comes after the failure is not passed on', () => {
  port.receive({ kind: 'not-ready', failure: { code: 'invalid_model', path: 'w.bin' } });
  port.receive({ kind: 'progress', loaded: 2, total: 2 });
  expect(progress).toEqual([]);
});

describe('once ready', () => {
  const controller = () => new AbortController();
  beforeEach(() => port.receive({ kind: 'ready', ready: READY }));

  test('answers reach their own photo, in whatever order they come', async () => {
    const first = bridge.classify(new Blob(), controller().signal);
    const second = bridge.classify(new Blob(), controller().signal);
    await settle();
    port.receive({ kind: 'answer', id: 1, answer: answer(0.2) });
    port.receive({ kind: 'answer', id: 0, answer: answer(0.1) });
    expect((await first).scores).toEqual([0.1]);
    expect((await second).scores).toEqual([0.2]);
  });

  test('a failure keeps its facts', async () => {
    const photo = bridge.classify(new Blob(), controller().signal);
    await settle();
    port.receive({ kind: 'failure', id: 0, failure: { code: 'broken_image', format: 'png' } });
    const error = (await photo.catch((error: unknown) => error)) as FailureError;
    expect(error.failure).toEqual({ code: 'broken_image', format: 'png' });
  });

  test('abort tells the worker, rejects, and closes an answer that is already on its way', async () => {
    const aborting = controller();
    const photo = bridge.classify(new Blob(), aborting.signal);
    await settle();
    aborting.abort();
    await expect(photo).rejects.toMatchObject({ name: 'AbortError' });
    expect(port.sent.at(-1)).toEqual({ kind: 'cancel', id: 0 });
    port.receive({ kind: 'answer', id: 0, answer: answer(0.1) });
    expect(closed).toBe(1);
  });

  test('what is aborted before it starts is never sent', async () => {
    const aborting = controller();
    const photo = bridge.classify(new Blob(), aborting.signal);
    aborting.abort();
    await expect(photo).rejects.toMatchObject({ name: 'AbortError' });
    expect(port.sent).toHaveLength(1);
  });

  test('a worker that dies fails what waits and what comes', async () => {
    const waiting = bridge.classify(new Blob(), controller().signal);
    await settle();
    port.onerror?.({ message: 'out of memory' } as ErrorEvent);
    await expect(waiting).rejects.toThrow('internal');
    await expect(bridge.classify(new Blob(), controller().signal)).rejects.toThrow('internal');
  });
});
