/**
 * Which backend of TensorFlow.js runs the model: what is known of each, and which is the fastest. Pure functions.
 */

/** The backends by the names that people see. */
export const BACKENDS = ['wasm', 'webgl', 'webgpu'] as const;
export type BackendName = (typeof BACKENDS)[number];

/** WebAssembly is there twice: on several threads, and on one, which starts at once. */
export const CONTESTANTS = ['wasm-threads', 'wasm', 'webgl', 'webgpu'] as const;
export type ContestantId = (typeof CONTESTANTS)[number];

/**
 * Why a backend is not used: this browser or device has none; it is not as exact as the contract asks; it failed; it took
 * too long; the graph has an operation that the page has no code for on it.
 */
export type Refusal = 'unavailable' | 'inexact' | 'failed' | 'too-slow' | 'unknown-operation';

/** What the page is told of a backend. */
export interface BackendStanding {
  readonly name: BackendName;
  readonly state: 'in-use' | 'available' | 'refused' | 'unmeasured';
  /** Median time of one run of the network; null if it was not measured. */
  readonly milliseconds: number | null;
  /** Why it was refused; null unless it was. */
  readonly reason: Refusal | null;
  /** Threads that it runs on; null where that is not for us to say. */
  readonly threads: number | null;
}

/** What is known of a contestant so far. */
export interface Finding {
  readonly milliseconds: number | null;
  readonly reason: Refusal | null;
  readonly threads: number | null;
}

export type Findings = ReadonlyMap<ContestantId, Finding>;

/** How many times as long as the fastest a contestant may take and still be measured again. */
const HOPELESS = 3;

/** What people call a contestant. */
export function nameOf(id: ContestantId): BackendName {
  return id === 'wasm-threads' ? 'wasm' : id;
}

/** The contestants that go by a name, the faster of them first. */
export function contestantsOf(name: BackendName, findings: Findings): ContestantId[] {
  return CONTESTANTS.filter((id) => nameOf(id) === name && !findings.get(id)?.reason).sort(
    (a, b) => timeOf(findings.get(a)) - timeOf(findings.get(b)),
  );
}

/** The backend that `?backend=` asks for; null if it asks for none that there is. */
export function askedBackend(query: string): BackendName | null {
  const asked = new URLSearchParams(query).get('backend');
  return BACKENDS.find((name) => name === asked) ?? null;
}

/** The middle of some numbers; the mean of the two in the middle where there are two. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The fastest of those that were measured; null if none was. */
export function fastest(times: ReadonlyMap<ContestantId, number>): ContestantId | null {
  let best: ContestantId | null = null;
  for (const [id, time] of times) {
    if (best === null || time < (times.get(best) as number)) best = id;
  }
  return best;
}

/** Those of some contestants that are worth another round. */
export function hopeful(times: ReadonlyMap<ContestantId, number>): ContestantId[] {
  const best = Math.min(...times.values());
  return [...times].filter(([, time]) => time <= best * HOPELESS).map(([id]) => id);
}

/** `max |difference| / max |expected|`, as the contract's tolerance of logits is meant; NaN counts as infinitely far. */
export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let largest = 0;
  for (let at = 0; at < expected.length; at++) {
    const distance = Math.abs(found[at] - expected[at]);
    if (!(distance < Infinity)) return Infinity;
    difference = Math.max(difference, distance);
    largest = Math.max(largest, Math.abs(expected[at]));
  }
  return difference === 0 ? 0 : difference / largest;
}

/** What the page is told, from what is known. */
export function standings(findings: Findings, inUse: ContestantId): BackendStanding[] {
  return BACKENDS.map((name) => {
    const ids = CONTESTANTS.filter((id) => nameOf(id) === name);
    const shown = ids.includes(inUse) ? inUse : (contestantsOf(name, findings)[0] ?? ids[0]);
    const { milliseconds = null, reason = null, threads = null } = findings.get(shown) ?? {};
    const state = shown === inUse ? 'in-use' : reason ? 'refused' : milliseconds === null ? 'unmeasured' : 'available';
    return { name, state, milliseconds, reason, threads };
  });
}

function timeOf(finding: Finding | undefined): number {
  return finding?.milliseconds ?? Infinity;
}
