/**
 * The published model: which version is in use, its contract, and the files of its graph, each checked against the
 * contract's digest. What is fetched here is fetched once; it is kept for every backend that will run it.
 */
import { io } from '@tensorflow/tfjs-core';
import type { Contract } from './contract.gen.ts';
import { parseContract } from './contract.ts';
import { sha256 } from './digest.ts';
import { FailureError } from './failure.ts';
import type { PublishedFile } from './protocol.ts';
import { expand, requireUnpacking, unpack } from './weights.ts';

const VERSION = /^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$/;

type Progress = (loaded: number, total: number) => void;
type Bytes = Uint8Array<ArrayBuffer>;

/** The version that is in use, by its contract. */
export interface Description {
  readonly contract: Contract;
  /** SHA-256 of contract.json. */
  readonly digest: string;
  /** Address of the version's folder. */
  readonly base: URL;
  /** The files of the graph. */
  readonly files: readonly PublishedFile[];
}

/** A version with its graph. */
export interface Publication extends Description {
  /** What TensorFlow.js loads a graph model from. */
  readonly artifacts: io.ModelArtifacts;
  /** The names of the operations that the graph is made of. */
  readonly operations: ReadonlySet<string>;
}

/**
 * Find the version that is in use and read its contract.
 *
 * @param folder address of the model's folder, ending with a slash.
 * @throws FailureError `model_not_found`, `invalid_contract`.
 */
export async function fetchDescription(folder: string): Promise<Description> {
  const decoder = new TextDecoder();
  // The one file that changes in place: a copy in the browser's cache may be of an older version.
  const version = decoder.decode(await fetchBytes(new URL('current', folder), { cache: 'no-cache' })).trim();
  if (!VERSION.test(version)) throw new FailureError({ code: 'model_not_found', path: 'model/current' });
  const base = new URL(`${version}/`, folder);
  const bytes = await fetchBytes(new URL('contract.json', base));
  const contract = parseContract(decoder.decode(bytes));
  const graph = folderOf(contract.graphs.tfjs.path);
  return {
    contract,
    digest: await sha256(bytes),
    base,
    files: contract.files.filter(({ path }) => path.startsWith(graph)).map(({ path, bytes }) => ({ path, bytes })),
  };
}

/**
 * Fetch the graph of a version, all of its files at once.
 *
 * @param onProgress told the bytes as they come.
 * @throws FailureError `model_not_found`, `invalid_model`, `no_decompression`.
 */
export async function fetchGraph(description: Description, onProgress: Progress): Promise<Publication> {
  const { contract, files } = description;
  const main = contract.graphs.tfjs.path;
  requireUnpacking(files.map(({ path }) => path));
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let loaded = 0;
  onProgress(0, total);
  const contents = new Map(
    await Promise.all(
      files.map(async ({ path }): Promise<[string, Bytes]> => {
        const bytes = await fetchChecked(description, path, (count) => {
          loaded += count;
          onProgress(loaded, total);
        });
        return [path, await unpack(path, bytes)];
      }),
    ),
  );
  const content = (path: string): Bytes => {
    const found = contents.get(path);
    // The contract lists every file of the graph; what it does not list has no digest to be checked against.
    if (!found) throw new FailureError({ code: 'invalid_model', path });
    return found;
  };
  const topology = JSON.parse(new TextDecoder().decode(content(main))) as io.ModelJSON;
  const shards = topology.weightsManifest.flatMap(({ paths }) => paths).map((path) => content(folderOf(main) + path));
  const weights = expand(io.getWeightSpecs(topology.weightsManifest), shards, contract.weights, main);
  const { node } = topology.modelTopology as { node: { op: string }[] };
  return {
    ...description,
    artifacts: io.getModelArtifactsForJSONSync(topology, weights.entries, weights.data),
    operations: new Set(node.map(({ op }) => op)),
  };
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

async function fetchChecked(
  { base, contract }: Description,
  path: string,
  onBytes: (bytes: number) => void,
): Promise<Bytes> {
  const listed = contract.files.find((file) => file.path === path);
  const bytes = await fetchBytes(new URL(path, base), {}, onBytes);
  if ((await sha256(bytes)) !== listed?.sha256) throw new FailureError({ code: 'invalid_model', path });
  return bytes;
}

async function fetchBytes(url: URL, options: RequestInit = {}, onBytes?: (bytes: number) => void): Promise<Bytes> {
  const notFound = new FailureError({ code: 'model_not_found', path: url.pathname });
  try {
    const response = await fetch(url, options);
    if (!response.ok || !response.body) throw notFound;
    const chunks: Bytes[] = [];
    const reader = response.body.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      chunks.push(next.value);
      onBytes?.(next.value.length);
    }
    return new Uint8Array(await new Blob(chunks).arrayBuffer());
  } catch {
    throw notFound; // the network failed, at the start or on the way
  }
}
