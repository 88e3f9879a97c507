import { beforeEach, describe, expect, test } from 'vitest';
import { Bridge, type Port } from '../src/bridge.ts';
import type { FailureError } from '../src/failure.ts';
import type { FromWorker, Ready, Reply, ToWorker } from '../src/protocol.ts';

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
  digest: '',
  notSure: 0.5,
  embeddingSize: 2,
  maps: false,
  backend: 'wasm',
  backends: [],
  canvas: 'exact',
  files: [],
  gallery: null,
};
const settle = () => new Promise((resolve) => setTimeout(resolve));

let port: FakePort;
let bridge: Bridge;
let progress: number[];
let closed: number;

const thumbnail = { close: () => closed++ } as unknown as ImageBitmap;

function answer(score: number): Reply {
  return {
    scores: [score],
    embedding: new Float32Array(2),
    maps: null,
    inputSha256: '',
    format: 'png',
    width: 1,
    height: 1,
    box: { left: 0, top: 0, right: 1, bottom: 1 },
    milliseconds: { decode: 1, inference: 1 },
    tensors: 0,
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
  expect(port.sent).toEqual([{ kind: 'start', model: 'model/', backend: null, gallery: null }]);
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

  test('a thumbnail comes after its answer, which does not wait for it', async () => {
    const photo = bridge.classify(new Blob(), controller().signal);
    await settle();
    port.receive({ kind: 'answer', id: 0, answer: answer(0.1) });
    const answered = await photo;
    port.receive({ kind: 'thumbnail', id: 0, thumbnail });
    expect(await answered.thumbnail).toBe(thumbnail);
    expect(closed).toBe(0);
  });

  test('an answer whose thumbnail could not be drawn has none', async () => {
    const photo = bridge.classify(new Blob(), controller().signal);
    await settle();
    port.receive({ kind: 'answer', id: 0, answer: answer(0.1) });
    port.receive({ kind: 'thumbnail', id: 0, thumbnail: null });
    expect(await (await photo).thumbnail).toBeNull();
  });

  test('a glance asks for no thumbnail', async () => {
    const picture = bridge.glance(new Blob(), controller().signal);
    await settle();
    expect(port.sent.at(-1)).toMatchObject({ kind: 'classify', id: 0, thumbnail: false });
    port.receive({ kind: 'answer', id: 0, answer: answer(0.1) });
    expect((await picture).scores).toEqual([0.1]);
  });

  test('abort tells the worker, rejects, and closes a thumbnail that is already on its way', async () => {
    const aborting = controller();
    const photo = bridge.classify(new Blob(), aborting.signal);
    await settle();
    aborting.abort();
    await expect(photo).rejects.toMatchObject({ name: 'AbortError' });
    expect(port.sent.at(-1)).toEqual({ kind: 'cancel', id: 0 });
    port.receive({ kind: 'answer', id: 0, answer: answer(0.1) });
    port.receive({ kind: 'thumbnail', id: 0, thumbnail });
    expect(closed).toBe(1);
  });

  test('what is aborted before it starts is never sent', async () => {
    const aborting = controller();
    aborting.abort();
    await expect(bridge.classify(new Blob(), aborting.signal)).rejects.toMatchObject({ name: 'AbortError' });
    expect(port.sent).toHaveLength(1);
  });

  test('a worker that dies fails what waits and what comes, and answers that are there stay', async () => {
    const answered = bridge.classify(new Blob(), controller().signal);
    await settle();
    port.receive({ kind: 'answer', id: 0, answer: answer(0.1) });
    const waiting = bridge.classify(new Blob(), controller().signal);
    await settle();
    port.onerror?.({ message: 'out of memory' } as ErrorEvent);
    await expect(waiting).rejects.toThrow('internal');
    expect(await (await answered).thumbnail).toBeNull();
    await expect(bridge.classify(new Blob(), controller().signal)).rejects.toThrow('internal');
  });
});

test('photos are sent before the model is there, and fail with it', async () => {
  const photo = bridge.classify(new Blob(), new AbortController().signal);
  expect(port.sent.at(-1)).toMatchObject({ kind: 'classify', id: 0 });
  port.receive({ kind: 'not-ready', failure: { code: 'no_backend' } });
  await expect(photo).rejects.toThrow('no_backend');
  await expect(bridge.answering).rejects.toThrow('no_backend');
});

test('photos are answered before everything is fetched', async () => {
  let complete = false;
  void bridge.ready.then(() => (complete = true));
  port.receive({ kind: 'answering', ready: READY });
  expect(await bridge.answering).toBe(READY);
  expect(complete).toBe(false);
  const last = { ...READY, backend: 'webgl' as const };
  port.receive({ kind: 'ready', ready: last });
  expect(await bridge.ready).toBe(last);
});

test('the only backend to use is passed on', () => {
  const asking = new FakePort();
  new Bridge(asking, 'model/', () => undefined, 'webgl');
  expect(asking.sent).toEqual([{ kind: 'start', model: 'model/', backend: 'webgl', gallery: null }]);
});

test('the gallery that was published is passed on', () => {
  const asking = new FakePort();
  new Bridge(asking, 'model/', () => undefined, null, 'https://host.example/gallery.bin');
  expect(asking.sent[0]).toMatchObject({ kind: 'start', gallery: 'https://host.example/gallery.bin' });
});

describe('photos that look alike', () => {
  const embedding = Float32Array.of(1, 2);
  const neighbours = [{ id: 'hat/1.jpg', label: 'hat', score: 0.9 }];

  test('are asked for with an embedding, which stays the page’s, and found', async () => {
    const finding = bridge.similar(embedding, 5);
    expect(port.sent.at(-1)).toEqual({ kind: 'similar', id: 0, embedding, count: 5 });
    port.receive({ kind: 'neighbours', id: 0, neighbours });
    expect(await finding).toBe(neighbours);
    expect(embedding.length).toBe(2);
  });

  test('are told from photos that are classified meanwhile', async () => {
    const photo = bridge.glance(new Blob(), new AbortController().signal);
    const finding = bridge.similar(embedding, 5);
    port.receive({ kind: 'neighbours', id: 1, neighbours });
    port.receive({ kind: 'answer', id: 0, answer: answer(1) });
    expect([await finding, (await photo).scores]).toEqual([neighbours, [1]]);
  });

  test('cannot be found without a gallery, or a worker', async () => {
    const finding = bridge.similar(embedding, 5);
    port.receive({ kind: 'failure', id: 0, failure: { code: 'internal', reason: 'no gallery' } });
    await expect(finding).rejects.toThrow('internal');
    const waiting = bridge.similar(embedding, 5);
    port.receive({ kind: 'not-ready', failure: { code: 'no_backend' } });
    await expect(waiting).rejects.toThrow('no_backend');
    await expect(bridge.similar(embedding, 5)).rejects.toThrow('no_backend');
  });
});

describe('another backend', () => {
  const backends = [{ name: 'webgl', state: 'in-use', milliseconds: 5, reason: null, threads: null }] as const;

  test('is asked for and used', async () => {
    const using = bridge.use('webgl');
    expect(port.sent.at(-1)).toEqual({ kind: 'use', backend: 'webgl' });
    port.receive({ kind: 'backends', backend: 'webgl', backends, asked: 'webgl' });
    expect(await using).toBe(backends);
  });

  test('is refused with the reason', async () => {
    const using = bridge.use('webgpu');
    port.receive({ kind: 'backend-refused', backend: 'webgpu', reason: 'unavailable' });
    await expect(using).rejects.toMatchObject({ backend: 'webgpu', reason: 'unavailable' });
  });

  test('that the worker has found is told, and answers no question', async () => {
    const told: string[] = [];
    let answered = false;
    bridge.onBackends = (backend) => told.push(backend);
    const using = bridge.use('webgl').then(() => (answered = true));
    port.receive({ kind: 'backends', backend: 'webgl', backends, asked: null });
    await settle();
    expect([told, answered]).toEqual([['webgl'], false]);
    port.receive({ kind: 'backends', backend: 'webgl', backends, asked: 'webgl' });
    await using;
  });

  test('is not to be had without a model', async () => {
    const using = bridge.use('webgl');
    port.receive({ kind: 'not-ready', failure: { code: 'no_backend' } });
    await expect(using).rejects.toThrow('no_backend');
    await expect(bridge.use('webgl')).rejects.toThrow('no_backend');
  });
});
