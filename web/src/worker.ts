/**
 * The worker: it holds the model and does all the work on photos, so that the page never stands still.
 */
import { memory } from '@tensorflow/tfjs-core';
import { cropBox } from './crop.ts';
import { decode, type Photo } from './decode.ts';
import { sha256 } from './digest.ts';
import { Engine } from './engine.ts';
import { FailureError, failureOf } from './failure.ts';
import { Occupation } from './occupation.ts';
import { canvasDeviation } from './pixels.ts';
import { observeRequests } from './privacy/requests.ts';
import type { BackendName, CanvasTrust, FromWorker, PublishedGallery, Ready, Reply, ToWorker } from './protocol.ts';
import { type Description, fetchDescription, fetchGraph } from './publication.ts';
import { resample } from './resample.ts';
import { softmax } from './scores.ts';
import { fetchGallery } from './similar/fetch.ts';
import { type Gallery, GalleryError } from './similar/gallery.ts';

/** Longest edge of a thumbnail in pixels: twice what a card shows, for dense screens. */
const THUMBNAIL_EDGE = 384;
/** Some browsers change a few pixels by 1 or 2, which no score shows; past that an answer would be made up. */
const BEARABLE_DEVIATION = 2;

const scope = self as unknown as {
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
};

/** What is under way from the start; a photo waits for each when it needs it. */
interface Session {
  readonly description: Promise<Description>;
  readonly canvas: Promise<CanvasTrust>;
  /** The engine once it may answer. */
  readonly engine: Promise<Engine>;
  /** The engine once nothing is left to be fetched. */
  readonly complete: Promise<Engine>;
  /** What was published to be searched, or why it cannot be; null where there is none. */
  readonly gallery: Promise<Gallery | GalleryError | null>;
}

type Question = Extract<ToWorker, { kind: 'classify' }>;

observeRequests((requests) => scope.postMessage({ kind: 'requested', requests }));

const occupation = new Occupation();
let session: Session | undefined;
/** What was asked for and is neither answered nor cancelled. */
const wanted = new Set<number>();

function open({ model, backend, gallery: address }: Extract<ToWorker, { kind: 'start' }>): Session {
  const description = fetchDescription(model);
  const graph = description.then((found) =>
    fetchGraph(found, (loaded, total) => scope.postMessage({ kind: 'progress', loaded, total })),
  );
  const canvas = canvasTrust();
  const engine = Engine.start(graph, occupation);
  // Behind the graph, which photos wait for.
  const gallery = address ? openLater(address, description, graph) : Promise.resolve(null);
  const complete = Promise.all([engine, description, canvas]).then(async ([started, found, trust]) => {
    await finish(started, backend, gallery, (searched) => readyOf(started, found, trust, searched));
    return started;
  });
  // A backend that was asked for is the only one that answers: photos wait for it.
  return { description, canvas, engine: backend ? complete : engine, complete, gallery };
}

/** The gallery once the graph is there; a page without one that can be searched answers all the same. */
async function openLater(
  address: string,
  description: Promise<Description>,
  graph: Promise<unknown>,
): Promise<Gallery | GalleryError> {
  try {
    const { digest } = await description;
    await graph;
    return await fetchGallery(address, digest);
  } catch (error) {
    return error instanceof GalleryError ? error : new GalleryError('invalid_index', failureOf(error).code);
  }
}

async function canvasTrust(): Promise<CanvasTrust> {
  const deviation = await canvasDeviation();
  return deviation === 0 ? 'exact' : deviation <= BEARABLE_DEVIATION ? 'near' : 'perturbed';
}

/** Fetch what is left to be fetched, and say when photos are answered, which is before, and when that is done. */
async function finish(
  engine: Engine,
  asked: BackendName | null,
  gallery: Session['gallery'],
  ready: (gallery: PublishedGallery | null) => Ready,
): Promise<void> {
  if (!asked) scope.postMessage({ kind: 'answering', ready: ready(null) });
  await engine.fetchModules();
  if (asked) {
    await engine.use(asked);
    scope.postMessage({ kind: 'answering', ready: ready(null) });
  }
  scope.postMessage({ kind: 'ready', ready: ready(publishedAs(await gallery)) });
}

function publishedAs(gallery: Gallery | GalleryError | null): PublishedGallery | null {
  if (gallery instanceof GalleryError) return { problem: gallery.code };
  return gallery && { photos: gallery.photos, recall: gallery.recall };
}

function readyOf(
  engine: Engine,
  { contract, digest, files }: Description,
  canvas: CanvasTrust,
  gallery: PublishedGallery | null,
): Ready {
  return {
    model: { name: contract.model.name, version: contract.model.version },
    labels: contract.labels,
    digest,
    notSure: contract.not_sure.threshold,
    embeddingSize: contract.embedding_size,
    maps: contract.class_map !== null,
    backend: engine.backend,
    backends: engine.standings,
    canvas,
    files,
    gallery,
  };
}

async function start(message: Extract<ToWorker, { kind: 'start' }>): Promise<void> {
  session = open(message);
  let engine: Engine;
  try {
    engine = await session.complete;
  } catch (error) {
    scope.postMessage({ kind: 'not-ready', failure: failureOf(error) });
    return;
  }
  engine.onChange = () => tellBackends(engine, null);
  if (!message.backend) await engine.choose();
}

function tellBackends(engine: Engine, asked: BackendName | null): void {
  scope.postMessage({ kind: 'backends', backend: engine.backend, backends: engine.standings, asked });
}

async function use(backend: BackendName): Promise<void> {
  const engine = await session?.complete;
  if (!engine) throw new Error('use came before start');
  const reason = await engine.use(backend);
  if (reason) {
    scope.postMessage({ kind: 'backend-refused', backend, reason });
    tellBackends(engine, null);
  } else {
    await engine.remember();
    tellBackends(engine, backend);
  }
}

/** Answer for a photo, unless it is cancelled. */
async function classify({ id, file, thumbnail }: Question, { description, canvas, engine }: Session): Promise<void> {
  if ((await canvas) === 'perturbed') throw new FailureError({ code: 'perturbed_pixels' });
  const { contract } = await description;
  if (!wanted.has(id)) return;
  const begin = performance.now();
  const photo = await decode(file, contract);
  try {
    const { width, height } = photo.pixels;
    const box = cropBox(width, height, contract);
    const input = await resample(photo.pixels, box, contract.crop.width, contract.crop.height);
    const decoded = performance.now();
    const digest = sha256(input); // the browser's own, where a page may use that, goes on beside the network
    const runner = await engine;
    if (!wanted.has(id)) return;
    const running = performance.now();
    const { logits, embedding, maps } = await runner.run(input);
    const scores = softmax(logits, contract.temperature);
    const done = performance.now();
    const reply: Reply = {
      scores,
      embedding,
      maps,
      inputSha256: await digest,
      format: photo.format,
      width,
      height,
      box: { left: box[0], top: box[1], right: box[2], bottom: box[3] },
      milliseconds: { decode: decoded - begin, inference: done - running },
      tensors: memory().numTensors,
    };
    scope.postMessage({ kind: 'answer', id, answer: reply }, transferable(reply));
    if (thumbnail) draw(id, photo);
  } finally {
    photo.close();
  }
}

/** The photo has its answer, which no picture can take back. */
function draw(id: number, photo: Photo): void {
  let thumbnail: ImageBitmap | null = null;
  try {
    thumbnail = photo.thumbnail(THUMBNAIL_EDGE);
  } catch {
    // No memory for a canvas, say.
  }
  scope.postMessage({ kind: 'thumbnail', id, thumbnail }, thumbnail ? [thumbnail] : []);
}

async function answer(question: Question): Promise<void> {
  const { id } = question;
  try {
    if (!session) throw new Error('classify came before start');
    await classify(question, session);
  } catch (error) {
    scope.postMessage({ kind: 'failure', id, failure: failureOf(error) });
  } finally {
    wanted.delete(id);
  }
}

async function similar({ id, embedding, count }: Extract<ToWorker, { kind: 'similar' }>): Promise<void> {
  try {
    const gallery = await session?.gallery;
    if (!gallery || gallery instanceof GalleryError) throw new Error('there is no gallery that can be searched');
    scope.postMessage({ kind: 'neighbours', id, neighbours: gallery.search(embedding, count) });
  } catch (error) {
    scope.postMessage({ kind: 'failure', id, failure: failureOf(error) });
  }
}

/** What moves to the page instead of being copied. */
function transferable({ embedding, maps }: Reply): Transferable[] {
  const arrays = maps ? [embedding, maps.values] : [embedding];
  return arrays.map(({ buffer }) => buffer as ArrayBuffer);
}

scope.onmessage = ({ data }) => {
  if (data.kind === 'start') {
    void start(data);
  } else if (data.kind === 'classify') {
    wanted.add(data.id);
    void occupation.with(() => answer(data));
  } else if (data.kind === 'use') {
    const { backend } = data;
    // Who asks is answered. A model that cannot be loaded has been told of before.
    use(backend).catch(() => scope.postMessage({ kind: 'backend-refused', backend, reason: 'failed' }));
  } else if (data.kind === 'similar') {
    void similar(data);
  } else {
    wanted.delete(data.id);
  }
};
