/**
 * The model: fetched file by file, each checked against the contract's digest, and run by TensorFlow.js.
 */
import { loadGraphModel, type GraphModel } from '@tensorflow/tfjs-converter';
import { io, tensor, tidy, type Tensor } from '@tensorflow/tfjs-core';
import type { Contract } from './contract.gen.ts';
import { parseContract } from './contract.ts';
import { sha256 } from './digest.ts';
import { FailureError } from './failure.ts';
import { softmax } from './scores.ts';
import { expand, requireUnpacking, unpack } from './weights.ts';

const VERSION = /^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$/;

type Progress = (loaded: number, total: number) => void;
type Bytes = Uint8Array<ArrayBuffer>;

/** One version of a model, ready to run. */
export class Model {
  readonly contract: Contract;
  /** SHA-256 of contract.json. */
  readonly digest: string;
  private readonly graph: GraphModel;

  private constructor(contract: Contract, digest: string, graph: GraphModel) {
    this.contract = contract;
    this.digest = digest;
    this.graph = graph;
  }

  /**
   * Load the version that is in use.
   *
   * @param folder address of the model's folder, ending with a slash.
   * @param onProgress told the bytes of the graph and its weights as they come.
   * @throws FailureError `model_not_found`, `invalid_contract`, `invalid_model`, `no_decompression`.
   */
  static async load(folder: string, onProgress: Progress): Promise<Model> {
    const decoder = new TextDecoder();
    // The one file that changes in place: a copy in the browser's cache may be of an older version.
    const version = decoder.decode(await fetchBytes(new URL('current', folder), { cache: 'no-cache' })).trim();
    if (!VERSION.test(version)) throw new FailureError({ code: 'model_not_found', path: 'model/current' });
    const base = new URL(`${version}/`, folder);
    const described = await fetchBytes(new URL('contract.json', base));
    const contract = parseContract(decoder.decode(described));
    const graph = await loadGraphModel({ load: () => artifacts(base, contract, onProgress) });
    return new Model(contract, await sha256(described), graph);
  }

  /**
   * Run the network on one input.
   *
   * @param pixels uint8 RGB of the contract's input size, rows first.
   * @returns the score of every label, in the contract's order, and the embedding.
   */
  async run(pixels: Uint8Array): Promise<{ scores: number[]; embedding: Float32Array }> {
    const { input, logits, embedding } = this.contract.graphs.tfjs;
    const [, height, width, channels] = input.shape as [null, number, number, number];
    const [scores, vector] = tidy(() => {
      const image = tensor(Int32Array.from(pixels), [1, height, width, channels], 'int32');
      return this.graph.execute({ [input.name]: image }, [logits.name, embedding.name]) as Tensor[];
    });
    try {
      return {
        scores: softmax(await scores.data<'float32'>(), this.contract.temperature),
        embedding: Float32Array.from(await vector.data<'float32'>()),
      };
    } finally {
      scores.dispose();
      vector.dispose();
    }
  }
}

/** What `tf.loadGraphModel` runs on, its files checked as they lie at the host. */
async function artifacts(base: URL, contract: Contract, onProgress: Progress): Promise<io.ModelArtifacts> {
  const main = contract.graphs.tfjs.path;
  const folder = main.slice(0, main.lastIndexOf('/') + 1);
  const total = contract.files.reduce((sum, { path, bytes }) => sum + (path.startsWith(folder) ? bytes : 0), 0);
  let loaded = 0;
  const read = (path: string) =>
    fetchChecked(base, path, contract, (bytes) => {
      loaded += bytes;
      onProgress(loaded, total);
    });
  onProgress(0, total);
  const topology = JSON.parse(new TextDecoder().decode(await read(main))) as io.ModelJSON;
  const shards = topology.weightsManifest.flatMap(({ paths }) => paths.map((path) => folder + path));
  requireUnpacking(shards);
  const unpacked = await Promise.all(shards.map(async (path) => unpack(path, await read(path))));
  const weights = expand(io.getWeightSpecs(topology.weightsManifest), unpacked, contract.weights, main);
  return io.getModelArtifactsForJSON(topology, () => Promise.resolve([weights.entries, weights.data]));
}

async function fetchChecked(
  base: URL,
  path: string,
  contract: Contract,
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
