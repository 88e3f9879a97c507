/**
 * A gallery as `twinlens index gallery` writes it: photos that were indexed, 8 bits a number, searched on the device.
 * twinlens/similar/gallery.py says what is in the file and how it is asked; this is its port, to the last integer.
 */
import { sha256 } from '../digest.ts';
import { type Products, simdProducts } from './products.ts';

/** A photo of the gallery that is like the one that was asked about. */
export interface Neighbour {
  /** Its path below the folder that was indexed. */
  readonly id: string;
  /** Null where it is not known. */
  readonly label: string | null;
  /** Cosine of the two vectors, nearly 1 for the same picture. */
  readonly score: number;
}

export interface Gallery {
  readonly photos: number;
  /** Share of the ten nearest by the index's own vectors that the gallery gives; null where it is too small to tell. */
  readonly recall: number | null;
  /**
   * The nearest photos, nearest first, as many as asked for or as there are.
   *
   * @param embedding an answer's, as the network gives it.
   */
  search(embedding: Float32Array, count: number): Neighbour[];
}

/** Why there is no gallery that can be searched; the codes are those of twinlens/errors.py. */
export type GalleryProblem = 'invalid_index' | 'index_mismatch' | 'not_found';

export class GalleryError extends Error {
  readonly code: GalleryProblem;

  constructor(code: GalleryProblem, reason: string) {
    super(reason);
    this.name = 'GalleryError';
    this.code = code;
  }
}

interface Section {
  readonly offset: number;
  readonly bytes: number;
}

/** The parts of a file behind its header, in their order. */
const SECTIONS = ['mean', 'axis_scales', 'axes', 'scales', 'codes', 'photos'] as const;

interface Header {
  readonly format: string;
  readonly model: { readonly name: string; readonly version: string; readonly digest: string };
  readonly embedding_size: number;
  readonly dimensions: number;
  readonly stride: number;
  readonly photos: number;
  readonly recall_at_10: number | null;
  readonly sha256: string;
  readonly sections: Readonly<Record<(typeof SECTIONS)[number], Section>>;
}

type Named = readonly [id: string, label: string | null];

const MAGIC = 'TWGALL01';
const FORMAT = 'twinlens-gallery/1';
/** The magic and the header's length. */
const BEFORE_HEADER = MAGIC.length + 4;
const ALIGNED = 16;
const DIMENSIONS = 128;
const LARGEST = 32_767;

/**
 * Read a gallery.
 *
 * @param file its bytes.
 * @param digest SHA-256 of the contract of the model that answers (`Ready.digest`).
 * @param productsOf what compares.
 * @throws GalleryError `invalid_index` for what is no gallery or is damaged, `index_mismatch` for another model's.
 */
export async function openGallery(file: ArrayBuffer, digest: string, productsOf = simdProducts): Promise<Gallery> {
  const header = readHeader(file);
  const begin = BEFORE_HEADER + headerBytes(file);
  const body = new Uint8Array(file, begin);
  if ((await sha256(body)) !== header.sha256) throw new GalleryError('invalid_index', 'it was changed or cut off');
  if (header.model.digest !== digest) {
    throw new GalleryError('index_mismatch', `it was made with ${header.model.name} ${header.model.version}`);
  }
  // The digest is of what follows the header, and not of the header's own numbers.
  if (!fits(header, begin, file.byteLength))
    throw new GalleryError('invalid_index', 'its parts do not belong together');
  const { sections, dimensions, embedding_size: size, stride } = header;
  const floats = ({ offset, bytes }: Section) => new Float32Array(file, offset, bytes / 4);
  const named = await names(new Uint8Array(file, sections.photos.offset, sections.photos.bytes));
  if (named.length !== header.photos) throw new GalleryError('invalid_index', 'its list of photos is another one’s');
  const codes = new Int8Array(file, sections.codes.offset, sections.codes.bytes);
  const question = asker(
    floats(sections.mean),
    floats(sections.axis_scales),
    new Int16Array(file, sections.axes.offset, dimensions * size),
    floats(sections.scales),
    stride,
  );
  return new Opened(header, named, question, productsOf(codes, stride));
}

class Opened implements Gallery {
  readonly photos: number;
  readonly recall: number | null;
  private readonly named: readonly Named[];
  private readonly question: Asker;
  private readonly products: Products;

  constructor(header: Header, named: readonly Named[], question: Asker, products: Products) {
    this.photos = header.photos;
    this.recall = header.recall_at_10;
    this.named = named;
    this.question = question;
    this.products = products;
  }

  search(embedding: Float32Array, count: number): Neighbour[] {
    const { integers, factor } = this.question(embedding);
    const sums = this.products(integers);
    return largest(sums, count).map((place) => {
      const [id, label] = this.named[place];
      return { id, label, score: sums[place] * factor };
    });
  }
}

/** Gives an embedding as integers, and what a product with them is multiplied by to be a cosine. */
type Asker = (embedding: Float32Array) => { readonly integers: Int16Array; readonly factor: number };

function asker(
  mean: Float32Array,
  axisScales: Float32Array,
  axes: Int16Array,
  scales: Float32Array,
  stride: number,
): Asker {
  const [size, dimensions] = [mean.length, scales.length];
  return (embedding) => {
    if (embedding.length !== size) throw new RangeError(`the embedding has ${embedding.length} numbers, not ${size}`);
    const from = direction(Float64Array.from(embedding)).map((value, at) => value - mean[at]);
    const projected = new Float64Array(dimensions);
    for (let axis = 0, at = 0; axis < dimensions; axis++) {
      let sum = 0;
      for (let number = 0; number < size; number++, at++) sum += axes[at] * from[number];
      projected[axis] = sum * axisScales[axis];
    }
    const vector = direction(projected).map((value, axis) => value * scales[axis]);
    const most = vector.reduce((found, value) => Math.max(found, Math.abs(value)), 0);
    const integers = new Int16Array(stride);
    if (most === 0) return { integers, factor: 0 };
    for (let axis = 0; axis < dimensions; axis++) integers[axis] = Math.floor(vector[axis] * (LARGEST / most) + 0.5);
    return { integers, factor: most / LARGEST };
  };
}

/** The vector with length 1; of nothing but zeros: zeros. */
function direction(vector: Float64Array): Float64Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return length > 0 ? vector.map((value) => value / length) : vector;
}

/** Places of the largest numbers, largest first, equal ones in their order. */
export function largest(values: Int32Array, count: number): number[] {
  const most = Math.min(count, values.length);
  const best: number[] = [];
  if (most < 1) return best;
  for (let place = 0; place < values.length; place++) {
    const value = values[place];
    if (best.length === most && value <= values[best[most - 1]]) continue;
    if (best.length === most) best.pop();
    let at = best.length;
    while (at > 0 && values[best[at - 1]] < value) at--;
    best.splice(at, 0, place);
  }
  return best;
}

function headerBytes(file: ArrayBuffer): number {
  return new DataView(file).getUint32(MAGIC.length, true);
}

function readHeader(file: ArrayBuffer): Header {
  const text = (offset: number, bytes: number) => new TextDecoder().decode(new Uint8Array(file, offset, bytes));
  if (file.byteLength < BEFORE_HEADER || text(0, MAGIC.length) !== MAGIC) {
    throw new GalleryError('invalid_index', 'it does not begin like a gallery');
  }
  const length = headerBytes(file);
  if (BEFORE_HEADER + length > file.byteLength) throw new GalleryError('invalid_index', 'it was cut off');
  let header: unknown;
  try {
    header = JSON.parse(text(BEFORE_HEADER, length));
  } catch {
    header = null;
  }
  if (!isHeader(header)) throw new GalleryError('invalid_index', 'its header is damaged');
  if (header.format !== FORMAT) throw new GalleryError('invalid_index', `its format is ${header.format}`);
  return header;
}

function isHeader(value: unknown): value is Header {
  if (!isRecord(value)) return false;
  const { format, model, embedding_size: size, dimensions, stride, photos, recall_at_10: recall, sections } = value;
  return (
    isRecord(model) &&
    [format, value.sha256, model.name, model.version, model.digest].every((text) => typeof text === 'string') &&
    [size, dimensions, stride, photos].every(isCount) &&
    (recall === null || typeof recall === 'number') &&
    isRecord(sections) &&
    SECTIONS.every((name) => {
      const section = sections[name];
      return isRecord(section) && isCount(section.offset) && isCount(section.bytes);
    })
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Whether the sections are as long as the header's other numbers say, and one behind the other up to the end. */
function fits(header: Header, begin: number, end: number): boolean {
  const { embedding_size: size, dimensions, stride, photos, sections } = header;
  const bytes = {
    mean: 4 * size,
    axis_scales: 4 * dimensions,
    axes: 2 * dimensions * size,
    scales: 4 * dimensions,
    codes: photos * stride,
    photos: sections.photos.bytes,
  };
  let at = begin;
  for (const name of SECTIONS) {
    if (sections[name].offset !== at || sections[name].bytes !== bytes[name]) return false;
    at += aligned(bytes[name]);
  }
  const sized = size > 0 && dimensions > 0 && dimensions <= DIMENSIONS && stride === aligned(dimensions);
  return sized && begin % ALIGNED === 0 && at === end;
}

/** The next multiple of what everything in a file is aligned to. */
function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNED) * ALIGNED;
}

async function names(packed: Uint8Array<ArrayBuffer>): Promise<Named[]> {
  try {
    const content = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
    const found: unknown = JSON.parse(await new Response(content).text());
    if (Array.isArray(found) && found.every(isNamed)) return found;
  } catch {
    // Said below.
  }
  throw new GalleryError('invalid_index', 'its list of photos is damaged');
}

function isNamed(value: unknown): value is Named {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [id, label] = value as unknown[];
  return typeof id === 'string' && (label === null || typeof label === 'string');
}
