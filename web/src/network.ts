/**
 * The network on one backend: its weights there, and one run of it.
 */
import type { GraphModel } from '@tensorflow/tfjs-converter';
import {
  dispose,
  getBackend,
  type io,
  matMul,
  reshape,
  setBackend,
  type Tensor,
  tensor,
  tidy,
} from '@tensorflow/tfjs-core';
import type { Backend } from './backends/backend.ts';
import { FailureError } from './failure.ts';
import type { ActivationMaps } from './protocol.ts';
import type { Publication } from './publication.ts';

/** What one run gives. */
export interface Outputs {
  readonly logits: Float32Array;
  readonly embedding: Float32Array;
  /** Null where the contract names no weights for them. */
  readonly maps: ActivationMaps | null;
}

/** The converter's class of graphs: TensorFlow.js' own, or the same with every operation that there is. */
export type Loader = new (handler: io.IOHandlerSync) => GraphModel<io.IOHandlerSync>;

/** Thrown where the device takes a backend away while it runs. */
export class BackendLostError extends Error {}

export class Network {
  readonly backend: Backend;
  private readonly publication: Publication;
  private readonly graph: GraphModel<io.IOHandlerSync>;
  /** What ends each run that has not answered yet. */
  private readonly running = new Map<Promise<Outputs>, (error: Error) => void>();
  /** Set once the device has taken the backend away, which then may answer anything; null as long as it works. */
  private gone: BackendLostError | null = null;
  /** Done once, whoever asks for it again. */
  private retired: Promise<void> | undefined;

  /**
   * Load the graph and its weights. All of it happens at once, so that no other network can make its own backend the
   * current one in between.
   *
   * @param backend one that has been started.
   * @throws FailureError `invalid_model` if the graph has not the weights that the contract names.
   */
  constructor(backend: Backend, publication: Publication, Model: Loader) {
    this.backend = backend;
    this.publication = publication;
    activate(backend);
    this.graph = new Model({ load: () => publication.artifacts });
    this.graph.load();
    const { class_map: classMap, graphs } = publication.contract;
    if (classMap && !(classMap.tfjs_weight in this.graph.weights)) {
      throw new FailureError({ code: 'invalid_model', path: graphs.tfjs.path });
    }
    void backend.lost?.then(() => {
      this.gone = new BackendLostError(`${backend.id} was lost`);
      for (const end of this.running.values()) end(this.gone);
    });
  }

  /**
   * Run the network on one input.
   *
   * @param pixels uint8 RGB of the contract's input size, rows first.
   * @throws BackendLostError if the backend is lost before it has answered; whatever TensorFlow.js throws.
   */
  run(pixels: Uint8Array): Promise<Outputs> {
    if (this.gone) return Promise.reject(this.gone);
    let end!: (error: Error) => void;
    const run = new Promise<Outputs>((resolve, reject) => {
      end = reject;
      this.answer(pixels).then(resolve, reject);
    });
    this.running.set(run, end);
    const forget = () => this.running.delete(run);
    run.then(forget, forget);
    return run;
  }

  /** Run it once so that everything that the backend compiles is compiled, without waiting for one after the other. */
  async warm(pixels: Uint8Array): Promise<void> {
    await this.backend.compile(() => dispose(this.execute(pixels)));
    await this.run(pixels);
  }

  /** Whether the device has taken the backend away. */
  get lost(): boolean {
    return this.gone !== null;
  }

  /** Give the memory of the weights back and end the backend, as soon as no run needs them. */
  retire(): Promise<void> {
    return (this.retired ??= this.end());
  }

  private async end(): Promise<void> {
    await Promise.allSettled(this.running.keys());
    activate(this.backend);
    this.graph.dispose();
    this.backend.stop();
    // It was the current one, and TensorFlow.js without one would start WebAssembly a second time.
    void setBackend('wasm');
  }

  private async answer(pixels: Uint8Array): Promise<Outputs> {
    const tensors = this.execute(pixels);
    try {
      const [logits, embedding, values] = await Promise.all(tensors.map((one) => one.data<'float32'>()));
      const [, height, width] = this.publication.contract.graphs.tfjs.features.shape as [null, number, number, number];
      return {
        logits,
        embedding,
        maps: tensors.length > 2 ? { width, height, values: byLabel(values, width * height) } : null,
      };
    } finally {
      dispose(tensors);
    }
  }

  /** The logits, the embedding and, if the contract names weights for them, the activation maps. */
  private execute(pixels: Uint8Array): Tensor[] {
    const { class_map: classMap, graphs } = this.publication.contract;
    const { input, logits, embedding, features } = graphs.tfjs;
    const [, height, width, channels] = input.shape as [null, number, number, number];
    const names = [logits.name, embedding.name, ...(classMap ? [features.name] : [])];
    activate(this.backend);
    return tidy(() => {
      const image = tensor(Int32Array.from(pixels), [1, height, width, channels], 'int32');
      const outputs = this.graph.execute({ [input.name]: image }, names) as Tensor[];
      if (!classMap) return outputs;
      // Zhou et al., CVPR 2016: the last features, weighted by a label's row of the classifier; all labels at once.
      const [, rows, columns, depth] = features.shape as [null, number, number, number];
      const [weights] = this.graph.weights[classMap.tfjs_weight];
      const places = reshape(outputs[2], [rows * columns, depth]);
      // The other way round, which would be in the answer's order, TensorFlow.js has no fast product on WebAssembly.
      return [outputs[0], outputs[1], matMul(places, weights)];
    });
  }
}

/** What is one row of labels for each place, as one map for each label. */
function byLabel(rows: Float32Array, places: number): Float32Array {
  const labels = rows.length / places;
  const maps = new Float32Array(rows.length);
  for (let place = 0; place < places; place++) {
    for (let label = 0; label < labels; label++) maps[label * places + place] = rows[place * labels + label];
  }
  return maps;
}

/** Make a backend that has been started the current one. It is by the time that this returns: there is nothing to await. */
function activate(backend: Backend): void {
  if (getBackend() !== backend.id) void setBackend(backend.id);
}
