/**
 * What was taught, as a file: JSON that another browser with the same model reads back to the same numbers.
 *
 * ```json
 * {
 *   "format": "twinlens-taught", "version": 1, "sha256": "of JSON.stringify(content), in UTF-8",
 *   "content": {
 *     "model": { "name": "…", "version": "…", "digest": "SHA-256 of its contract.json" },
 *     "embedding": { "size": 1280, "encoding": "float32-little-endian-base64" },
 *     "labels": [{ "name": "…", "photos": [{ "input": "SHA-256", "embedding": "…", "thumbnail": "JPEG, optional" }] }]
 *   }
 * }
 * ```
 *
 * An embedding means something to the network that made it and to no other, so a file of another model is refused.
 */
import { sha256 } from '../digest.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { byLabel, type Example, labelName, LIMITS, requireRoom } from './example.ts';
import { ProblemError } from './problem.ts';

const FORMAT = 'twinlens-taught';
const VERSION = 1;
const ENCODING = 'float32-little-endian-base64';
/** Three times what the limits of photos come to with embeddings of 2048 numbers. */
const MAX_BYTES = 32 * 2 ** 20;

/** What names the model in a file. */
export interface TaughtModel {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly embeddingSize: number;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Write what was taught.
 *
 * @param thumbnails whether the small pictures go into the file.
 */
export async function write(examples: readonly Example[], model: TaughtModel, thumbnails: boolean): Promise<Blob> {
  const content = {
    model: { name: model.name, version: model.version, digest: model.digest },
    embedding: { size: model.embeddingSize, encoding: ENCODING },
    labels: Array.from(byLabel(examples), ([name, photos]) => ({
      name,
      photos: photos.map(({ sha256, embedding, thumbnail }) => ({
        input: sha256,
        embedding: toBase64(littleEndian(embedding)),
        ...(thumbnails && thumbnail ? { thumbnail: toBase64(thumbnail) } : {}),
      })),
    })),
  };
  const file = { format: FORMAT, version: VERSION, sha256: await digestOf(content), content };
  return new Blob([JSON.stringify(file, null, 1)], { type: 'application/json' });
}

/**
 * Read what was taught.
 *
 * @param model the one that runs here.
 * @throws ProblemError `file_unreadable`, `file_too_large`, `file_not_taught`, `file_version`, `file_damaged`,
 *   `file_other_model`, `too_many_labels`, `too_many_photos`.
 */
export async function read(file: Blob, model: TaughtModel): Promise<Example[]> {
  if (file.size > MAX_BYTES) throw new ProblemError({ code: 'file_too_large', bytes: file.size, allowed: MAX_BYTES });
  const content = await open(file);
  const { digest, name, version } = objectAt(content.model, 'model');
  if (digest !== model.digest) {
    throw new ProblemError({ code: 'file_other_model', name: shown(name), version: shown(version) });
  }
  const embedding = objectAt(content.embedding, 'embedding');
  if (embedding.size !== model.embeddingSize) throw damaged('embedding.size');
  if (embedding.encoding !== ENCODING) throw damaged('embedding.encoding');
  const examples = arrayAt(content.labels, 'labels').flatMap((label, index) =>
    labelAt(label, `labels[${index}]`, model.embeddingSize),
  );
  if (new Set(examples.map((example) => example.sha256)).size < examples.length) throw damaged('photos: one twice');
  requireRoom(examples);
  return examples;
}

/** The content of a file that is whole. */
async function open(file: Blob): Promise<Json> {
  let text: string;
  try {
    text = await file.text();
  } catch {
    throw new ProblemError({ code: 'file_unreadable' }); // moved or deleted since it was chosen
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Cut off or changed if it begins as ours do, else something else altogether.
    if (text.slice(0, 100).includes(`"${FORMAT}"`)) throw damaged('JSON');
    throw new ProblemError({ code: 'file_not_taught' });
  }
  if (!isObject(value) || value.format !== FORMAT) throw new ProblemError({ code: 'file_not_taught' });
  if (value.version !== VERSION) throw new ProblemError({ code: 'file_version', version: shown(value.version) });
  const content = objectAt(value.content, 'content');
  if (value.sha256 !== (await digestOf(content))) throw damaged('sha256');
  return content;
}

function labelAt(value: unknown, where: string, size: number): Example[] {
  const { name, photos } = objectAt(value, where);
  const label = nameAt(name, `${where}.name`);
  return arrayAt(photos, `${where}.photos`).map((photo, index) =>
    photoAt(photo, `${where}.photos[${index}]`, label, size),
  );
}

function nameAt(value: unknown, where: string): string {
  try {
    if (typeof value === 'string' && labelName(value) === value) return value;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
  }
  throw damaged(where);
}

function photoAt(value: unknown, where: string, label: string, size: number): Example {
  const { input, embedding, thumbnail } = objectAt(value, where);
  if (typeof input !== 'string' || !/^[0-9a-f]{64}$/.test(input)) throw damaged(`${where}.input`);
  const numbers = bytesAt(embedding, `${where}.embedding`);
  if (numbers.length !== size * 4) throw damaged(`${where}.embedding`);
  const floats = fromLittleEndian(numbers);
  if (!floats.every(Number.isFinite)) throw damaged(`${where}.embedding`);
  return { label, sha256: input, embedding: floats, thumbnail: thumbnailAt(thumbnail, `${where}.thumbnail`) };
}

function thumbnailAt(value: unknown, where: string): Uint8Array<ArrayBuffer> | null {
  if (value === undefined) return null;
  const bytes = bytesAt(value, where);
  const jpeg = bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
  if (!jpeg || bytes.length > LIMITS.thumbnailBytes) throw damaged(where);
  return bytes;
}

function bytesAt(value: unknown, where: string): Uint8Array<ArrayBuffer> {
  const bytes = typeof value === 'string' ? fromBase64(value) : null;
  if (!bytes) throw damaged(where);
  return bytes;
}

function objectAt(value: unknown, where: string): Json {
  if (!isObject(value)) throw damaged(where);
  return value;
}

function arrayAt(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw damaged(where);
  return value;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function damaged(where: string): ProblemError {
  return new ProblemError({ code: 'file_damaged', where });
}

/** Whatever stands in a file, short enough to be shown. What is not there is undefined in JSON too. */
function shown(value: unknown): string {
  const json = JSON.stringify(value) as string | undefined;
  return (typeof value === 'string' ? value : (json ?? 'undefined')).slice(0, 64);
}

function digestOf(content: unknown): Promise<string> {
  return sha256(new TextEncoder().encode(JSON.stringify(content)));
}

function littleEndian(numbers: Float32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(numbers.length * 4));
  numbers.forEach((number, index) => view.setFloat32(index * 4, number, true));
  return new Uint8Array(view.buffer);
}

function fromLittleEndian(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.length / 4 }, (_, index) => view.getFloat32(index * 4, true));
}
