/**
 * The worker: it holds the model and does all the work on photos, so that the page never stands still.
 */
import { startBackend } from './backend.ts';
import { cropBox } from './crop.ts';
import { decode } from './decode.ts';
import { sha256 } from './digest.ts';
import { FailureError, failureOf } from './failure.ts';
import { Model } from './model.ts';
import { canvasDeviation, StraightReader } from './pixels.ts';
import type { Answer, CanvasTrust, FromWorker, ToWorker } from './protocol.ts';
import { resample } from './resample.ts';

/** Longest edge of a thumbnail in pixels: twice what a card shows, for dense screens. */
const THUMBNAIL_EDGE = 384;
/** Some browsers change a few pixels by 1 or 2, which no score shows; past that an answer would be made up. */
const BEARABLE_DEVIATION = 2;

const scope = self as unknown as {
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
};

interface Engine {
  readonly model: Model;
  readonly straight: StraightReader | null;
  readonly canvas: CanvasTrust;
}

let engine: Promise<Engine> | undefined;
/** What was asked for and is neither answered nor cancelled. */
const wanted = new Set<number>();

async function start(folder: string): Promise<Engine> {
  const [backend, deviation, straight] = await Promise.all([
    startBackend(),
    canvasDeviation(),
    StraightReader.create(),
  ]);
  const canvas = deviation === 0 ? 'exact' : deviation <= BEARABLE_DEVIATION ? 'near' : 'perturbed';
  const model = await Model.load(folder, (loaded, total) => scope.postMessage({ kind: 'progress', loaded, total }));
  const { contract, digest } = model;
  // The first run compiles; it is not left to the first photo.
  await model.run(new Uint8Array(contract.crop.height * contract.crop.width * 3));
  const { name, version } = contract.model;
  scope.postMessage({
    kind: 'ready',
    ready: {
      model: { name, version },
      labels: contract.labels,
      backend,
      canvas,
      digest,
      embeddingSize: contract.embedding_size,
    },
  });
  return { model, straight, canvas };
}

async function classify(file: Blob, { model, straight, canvas }: Engine): Promise<Answer> {
  if (canvas === 'perturbed') throw new FailureError({ code: 'perturbed_pixels' });
  const { contract } = model;
  const photo = await decode(file, contract, straight);
  try {
    const { width, height } = photo.pixels;
    const box = cropBox(width, height, contract);
    const input = resample(photo.pixels, box, contract.crop.width, contract.crop.height);
    const { scores, embedding } = await model.run(input);
    const inputSha256 = await sha256(input);
    const thumbnail = photo.thumbnail(THUMBNAIL_EDGE);
    return { scores, embedding, inputSha256, format: photo.format, width, height, thumbnail };
  } finally {
    photo.close();
  }
}

async function answer(id: number, file: Blob): Promise<void> {
  try {
    if (!engine) throw new Error('classify came before start');
    const ready = await engine;
    if (!wanted.has(id)) return;
    const found = await classify(file, ready);
    scope.postMessage({ kind: 'answer', id, answer: found }, [found.thumbnail]);
  } catch (error) {
    scope.postMessage({ kind: 'failure', id, failure: failureOf(error) });
  } finally {
    wanted.delete(id);
  }
}

scope.onmessage = ({ data }) => {
  if (data.kind === 'start') {
    engine = start(data.model);
    engine.catch((error: unknown) => scope.postMessage({ kind: 'not-ready', failure: failureOf(error) }));
  } else if (data.kind === 'classify') {
    wanted.add(data.id);
    void answer(data.id, data.file);
  } else {
    wanted.delete(data.id);
  }
};
