/**
 * Runs the network on the backend that is the best one here.
 *
 * It starts on WebAssembly, which answers at once. While no photo is in hand, every other backend that the browser has is
 * held to WebAssembly's logits, and those that give the same are measured in turns; the fastest is used from then on and
 * remembered. A visitor who wants a backend gets that one; of WebAssembly, on the number of threads that is faster.
 * WebAssembly stays loaded: a backend that fails, because its context is lost or its memory at an end, is left for it, and
 * the photo that it failed on is run again.
 */
import { GraphModel } from '@tensorflow/tfjs-converter';
import { setBackend, version_core } from '@tensorflow/tfjs-core';
import type { Backend, BackendModule } from './backends/backend.ts';
import { fetchModules } from './backends/modules.ts';
import { registerKernels, startWasm } from './backends/wasm.ts';
import {
  type BackendName,
  type BackendStanding,
  type ContestantId,
  contestantsOf,
  fastest,
  type Finding,
  hopeful,
  median,
  nameOf,
  type Refusal,
  relativeError,
  standings,
} from './choice.ts';
import { FailureError } from './failure.ts';
import { forget, keyOf, recall, remember } from './memory.ts';
import { type Loader, Network, type Outputs } from './network.ts';
import type { Occupation } from './occupation.ts';
import type { Publication } from './publication.ts';
import { knowsAll } from './tfjs/operations.ts';
import wholeUrl from './tfjs/whole.ts?worker&url';

/** How often each backend is measured. */
const ROUNDS = 5;
/** Milliseconds that a backend may take to start, compile and answer for the first time. */
const PATIENCE = 30_000;

type Whole = typeof import('./tfjs/whole.ts');

export class Engine {
  /** Told whenever the standing of the backends has changed. */
  onChange: (() => void) | null = null;
  private readonly base: Network;
  private readonly publication: Publication;
  private readonly Model: Loader;
  private readonly occupation: Occupation;
  private readonly probe: Uint8Array;
  private readonly findings = new Map<ContestantId, Finding>();
  /** Aborted once the visitor chooses, whose choice is not measured against other backends. */
  private readonly choosing = new AbortController();
  private modules: ReadonlyMap<ContestantId, BackendModule> = new Map();
  private current: Network;
  /** What starts and ends backends, one after the other. */
  private work: Promise<unknown> = Promise.resolve();

  private constructor(base: Network, publication: Publication, Model: Loader, occupation: Occupation) {
    this.base = this.current = base;
    this.publication = publication;
    this.Model = Model;
    this.occupation = occupation;
    const { height, width } = publication.contract.crop;
    this.probe = probeOf(height * width * 3);
    this.find('wasm', { threads: base.backend.threads });
  }

  /**
   * Start on WebAssembly.
   *
   * @param loading the model, which is fetched while WebAssembly starts.
   * @param occupation tells whether a photo is in hand.
   * @throws FailureError `no_backend`, and whatever the model cannot be loaded for.
   */
  static async start(loading: Promise<Publication>, occupation: Occupation): Promise<Engine> {
    const [publication, backend] = await Promise.all([loading, startWasm()]);
    if (!backend) throw new FailureError({ code: 'no_backend' });
    const { GraphModel: Model } = knowsAll(publication.operations) ? { GraphModel } : await fetchWhole();
    const engine = new Engine(new Network(backend, publication, Model), publication, Model, occupation);
    // The first run compiles. It is not left to the first photo, unless that is here already.
    if (!occupation.busy) await engine.base.warm(engine.probe);
    return engine;
  }

  /** The backend in use. */
  get backend(): BackendName {
    return nameOf(this.current.backend.id);
  }

  /** What is known of every backend. */
  get standings(): BackendStanding[] {
    return standings(this.findings, this.current.backend.id);
  }

  /** Run the network; the answer comes from WebAssembly if the backend in use fails. */
  async run(pixels: Uint8Array): Promise<Outputs> {
    const network = this.current;
    try {
      return await network.run(pixels);
    } catch (error) {
      if (network === this.base) throw error;
      this.leave(network);
      return this.base.run(pixels);
    }
  }

  /** Fetch the code of the other backends; after that nothing needs to be fetched any more. */
  async fetchModules(): Promise<void> {
    this.modules = await fetchModules();
  }

  /**
   * Use the backend that the visitor wants; no other one is looked for any more.
   *
   * @returns why it cannot be used; null if it is used now.
   */
  use(name: BackendName): Promise<Refusal | null> {
    this.choosing.abort();
    return this.inTurn(async () => {
      const willing = contestantsOf(name, this.findings);
      const there = willing.filter((id) => id === 'wasm' || this.modules.has(id));
      if (there.length > 1 && there.some((id) => (this.findings.get(id)?.milliseconds ?? null) === null)) {
        // Photos wait for the answer to this, so that a pause between photos would never come.
        await this.contest(there, true, null);
        return null;
      }
      let refusal: Refusal | null = null;
      // One that was refused may be wanted all the same, and may do better this time.
      for (const id of willing.length > 0 ? willing : [name]) {
        refusal = await this.turnTo(id, true);
        if (!refusal) return null;
      }
      return refusal;
    });
  }

  /** Find the best backend and use it, while no photo is in hand. It ends early if the visitor chooses one. */
  choose(): Promise<void> {
    const { signal } = this.choosing;
    return this.inTurn(() => this.chooseNow(signal)).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  private get key(): string {
    return keyOf(this.publication.digest, version_core, navigator.userAgent, globalThis.crossOriginIsolated);
  }

  private async chooseNow(signal: AbortSignal): Promise<void> {
    const choice = await recall(this.key);
    if (choice) {
      for (const [id, finding] of choice.findings) {
        // What failed or was late once may do better on another day; the visitor can ask for it.
        if (finding.reason !== 'failed' && finding.reason !== 'too-slow') this.findings.set(id, finding);
      }
      await this.occupation.pause(signal);
      if (!(await this.turnTo(choice.id, false))) return;
    }
    await this.contest(['wasm', ...this.modules.keys()], false, signal);
    await this.remember();
    this.onChange?.();
  }

  /**
   * Use the fastest of some backends.
   *
   * @param software whether those count that draw in software.
   * @param signal ends it; pauses between photos are waited for. Null waits for none, and nothing ends it.
   */
  private async contest(ids: readonly ContestantId[], software: boolean, signal: AbortSignal | null): Promise<void> {
    const before = this.current;
    const entered = new Map<ContestantId, Network>();
    try {
      for (const id of ids) {
        if (id !== 'wasm') await this.pause(signal);
        const network = this.inUse(id) ?? (await this.enter(id, software));
        if (network) entered.set(id, network);
      }
      // One alone is measured for the visitor to see, where nobody waits.
      const times = entered.size > 1 || signal ? await this.measure(entered, signal) : new Map<ContestantId, number>();
      this.current = entered.get(fastest(times) ?? 'wasm') ?? this.base;
    } finally {
      const others = new Set([before, ...entered.values()]);
      for (const staying of [this.current, this.base]) others.delete(staying);
      await Promise.all([...others].map((network) => network.retire()));
    }
  }

  /** The backend of this name if it is in use, or always there. */
  private inUse(id: ContestantId): Network | null {
    return [this.base, this.current].find((network) => network.backend.id === id) ?? null;
  }

  private async pause(signal: AbortSignal | null): Promise<void> {
    if (signal) await this.occupation.pause(signal);
  }

  /** Median times of some networks, measured in turns, so that whatever else the device does meets all of them. */
  private async measure(
    networks: ReadonlyMap<ContestantId, Network>,
    signal: AbortSignal | null,
  ): Promise<Map<ContestantId, number>> {
    const times = new Map([...networks.keys()].map((id) => [id, [] as number[]]));
    const medians = new Map<ContestantId, number>();
    let left = [...networks.keys()];
    for (let round = 0; round < ROUNDS; round++) {
      for (const id of left) {
        const taken = times.get(id) as number[];
        try {
          taken.push(await this.time(networks.get(id) as Network, signal));
          medians.set(id, median(taken));
        } catch (error) {
          if (signal?.aborted || id === 'wasm') throw error;
          medians.delete(id);
          this.find(id, { reason: 'failed' });
        }
      }
      left = hopeful(medians);
    }
    for (const [id, milliseconds] of medians) {
      this.find(id, { milliseconds });
      if (networks.get(id)?.lost) medians.delete(id);
    }
    return medians;
  }

  /** The time of one run; where pauses are waited for, no photo having come in between. */
  private async time(network: Network, signal: AbortSignal | null): Promise<number> {
    for (;;) {
      await this.pause(signal);
      const { arrivals } = this.occupation;
      const start = performance.now();
      await network.run(this.probe);
      const end = performance.now();
      if (!signal || arrivals === this.occupation.arrivals) return end - start;
    }
  }

  /**
   * Use one backend.
   *
   * @returns why it cannot be used; null if it is used now.
   */
  private async turnTo(id: ContestantId, software: boolean): Promise<Refusal | null> {
    const before = this.current;
    if (before.backend.id !== id) {
      const network = id === 'wasm' ? this.base : await this.enter(id, software);
      if (!network) return this.findings.get(id)?.reason ?? 'unavailable';
      this.current = network;
      if (before !== this.base) await before.retire();
    }
    this.onChange?.();
    return null;
  }

  /** Start a backend and hold it to WebAssembly's logits; null if it is refused, which is noted. */
  private async enter(id: ContestantId, software: boolean): Promise<Network | null> {
    const starting = this.start(id, software);
    const late = new Promise<'too-slow'>((resolve) => setTimeout(() => resolve('too-slow'), PATIENCE));
    const outcome = await Promise.race([starting, late]);
    if (outcome instanceof Network) {
      void outcome.backend.lost?.then(() => this.leave(outcome));
      this.find(id, { reason: null, threads: outcome.backend.threads });
      return outcome;
    }
    if (outcome === 'too-slow') {
      void starting.then((network) => {
        if (network instanceof Network) void network.retire();
      });
    }
    this.find(id, { reason: outcome });
    return null;
  }

  private async start(id: ContestantId, software: boolean): Promise<Network | Refusal> {
    const module = this.modules.get(id);
    if (!module) return 'unavailable';
    // The files of the other backends hold no more kernels than the usual operations need.
    if (id !== 'wasm-threads' && !knowsAll(this.publication.operations)) return 'unknown-operation';
    let backend: Backend | null = null;
    let network: Network | undefined;
    try {
      backend = await module.start(software);
      if (!backend) return 'unavailable';
      network = new Network(backend, this.publication, this.Model);
      await network.warm(this.probe);
      const expected = await this.base.run(this.probe);
      const found = await network.run(this.probe);
      const error = relativeError(found.logits, expected.logits);
      if (error <= this.publication.contract.golden.tolerances.logits) return network;
      await network.retire();
      return 'inexact';
    } catch {
      if (network) await network.retire();
      else backend?.stop();
      return 'failed';
    }
  }

  /** Go back to WebAssembly from a backend that has failed. */
  private leave(network: Network): void {
    if (this.current !== network) return;
    this.current = this.base;
    this.find(network.backend.id, { reason: 'failed' });
    void this.inTurn(() => network.retire());
    void forget();
    this.onChange?.();
  }

  private inTurn<Result>(job: () => Promise<Result>): Promise<Result> {
    const next = this.work.then(job);
    this.work = next.catch(() => undefined);
    return next;
  }

  private find(id: ContestantId, found: Partial<Finding>): void {
    const known = this.findings.get(id) ?? { milliseconds: null, reason: null, threads: null };
    this.findings.set(id, { ...known, ...found });
  }

  /** Remember the backend in use for the next visit. */
  remember(): Promise<void> {
    return remember(this.key, this.current.backend.id, this.findings);
  }
}

/**
 * Noise, the same noise every time, of a colour: grey noise may be near the point where logits are sums of which nothing is
 * left, and their last bits all that there is to compare.
 */
function probeOf(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, at) => Math.imul(at + 1, 0x9e3779b1) >>> (24 + (at % 3)));
}

async function fetchWhole(): Promise<Whole> {
  const whole = (await import(/* @vite-ignore */ wholeUrl)) as Whole;
  registerKernels(); // ours have been replaced
  // WebAssembly's kernels are bound to its functions when it becomes the backend in use; those that have just come too.
  await setBackend('wasm');
  return whole;
}
