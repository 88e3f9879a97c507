/**
 * From a few examples to an answer: how like the mean of each label's photos is a new one, and is that like enough?
 *
 * Why this and nothing that learns more is in docs/decisions/015-teaching.md. Everything is closed form or a search
 * that ends, so the same examples give the same answers. How good it is comes from the examples themselves: each is
 * left out in turn and answered from the others.
 */
import { byLabel, type Example } from './example.ts';

/** Share of the taught photos, each left out in turn, that may be answered with "none of these". */
const REFUSED = 0.05;
/** Where no label has two photos there is nothing to fit on: what 015-teaching.md found for one photo a label. */
const DEFAULTS = { threshold: 0.6, sharpness: 20 };
/** Past it scores are 1 and 0 whatever else is fitted. */
const SHARPEST = 1000;
/** The 97.5 % point of the normal distribution: two sides make 95 %. */
const Z95 = 1.959963984540054;

/** How one label fared, or all, when each photo was left out in turn. */
export interface Quality {
  /** Photos that could be left out: a label's only one cannot. */
  readonly tested: number;
  readonly right: number;
  /** Answered with "none of these". */
  readonly refused: number;
  /** 95 % interval of the share that is right (Wilson 1927); null where nothing was tested. */
  readonly interval: readonly [low: number, high: number] | null;
}

/** An answer in the visitor's own labels. */
export interface Judgement {
  /** The label that the photo is most like; null if it is too unlike all of them. */
  readonly label: string | null;
  /** The label that it is most like, however unlike. */
  readonly nearest: string;
  /** Share of `nearest` among the labels, 0 to 1: the softmax that suits the examples left out best. */
  readonly score: number;
  /** Cosine between the photo and the mean of `nearest`, -1 to 1. */
  readonly likeness: number;
}

/** What was learned from examples of at least two labels. */
export interface Learned {
  readonly labels: readonly string[];
  /** The least likeness that is answered with a label. */
  readonly threshold: number;
  readonly quality: Quality;
  readonly byLabel: ReadonlyMap<string, Quality>;
  /** The answer for each example while it was left out, by `sha256`; those that could not be are not in it. */
  readonly leftOut: ReadonlyMap<string, string | null>;
  /** Answer for one embedding of the size of the examples'. */
  judge(embedding: Float32Array): Judgement;
}

/** Learn from examples; null with fewer than two labels, between which there is nothing to choose. */
export function learn(examples: readonly Example[]): Learned | null {
  const labels = [...byLabel(examples).keys()];
  if (labels.length < 2) return null;
  const vectors = examples.map(({ embedding }) => direction(embedding));
  const targets = examples.map(({ label }) => labels.indexOf(label));
  const counts = labels.map((_, label) => targets.filter((target) => target === label).length);
  const sums = labels.map((_, label) => sum(vectors.filter((_, index) => targets[index] === label)));

  // A label's only photo cannot be left out: nothing would be left of the label.
  const tested = examples.map((_, index) => index).filter((index) => counts[targets[index]] > 1);
  const sought = tested.map((index) => targets[index]);
  const found = tested.map((index) => {
    const [vector, own] = [vectors[index], targets[index]];
    return sums.map((whole, label) => cosine(vector, label === own ? minus(whole, vector) : whole));
  });
  const threshold = fitThreshold(found.map((values) => Math.max(...values)));
  const sharpness = fitSharpness(found, sought);

  const judge = (values: readonly number[]): Judgement => {
    const best = indexOfLargest(values);
    const likeness = values[best];
    const label = likeness >= threshold ? labels[best] : null;
    return { label, nearest: labels[best], score: softmaxOf(values, sharpness)[best], likeness };
  };
  const answers = found.map((values) => judge(values).label);
  const qualityOf = (ofLabel: (label: number) => boolean) =>
    qualityFrom(
      sought.flatMap((label, index) => (ofLabel(label) ? [{ right: labels[label], answer: answers[index] }] : [])),
    );
  return {
    labels,
    threshold,
    quality: qualityOf(() => true),
    byLabel: new Map(labels.map((name, label) => [name, qualityOf((other) => other === label)])),
    leftOut: new Map(tested.map((index, at) => [examples[index].sha256, answers[at]])),
    judge: (embedding) => judge(sums.map((whole) => cosine(direction(embedding), whole))),
  };
}

/** 95 % interval of a share (Wilson 1927), as twinlens/metrics.py gives it; `n` at least 1. */
export function wilson(right: number, n: number): [low: number, high: number] {
  const share = right / n;
  const denominator = 1 + (Z95 * Z95) / n;
  const centre = (share + (Z95 * Z95) / (2 * n)) / denominator;
  const half = (Z95 * Math.sqrt((share * (1 - share)) / n + (Z95 * Z95) / (4 * n * n))) / denominator;
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

/** The smallest likeness that leaves at most the share `REFUSED` of these below it. */
function fitThreshold(likenesses: readonly number[]): number {
  if (likenesses.length === 0) return DEFAULTS.threshold;
  return [...likenesses].sort((a, b) => a - b)[Math.floor(REFUSED * likenesses.length)];
}

/**
 * The factor of likenesses whose softmax suits the labels best (maximum likelihood).
 *
 * A few photos that are all told apart would be suited best by certainty. So the right label's share is not 1 but
 * (n + 1) / (n + labels) of n photos: Laplace's rule, as Platt (1999) has it for two labels. The likelihood is concave,
 * so its derivative changes its sign once, and bisection finds where.
 */
function fitSharpness(found: readonly (readonly number[])[], sought: readonly number[]): number {
  if (found.length === 0) return DEFAULTS.sharpness;
  const others = 1 / (found.length + found[0].length);
  const derivative = (sharpness: number) =>
    found.reduce((total, values, index) => {
      const shares = softmaxOf(values, sharpness);
      return values.reduce((sum, value, label) => {
        const share = label === sought[index] ? others * (found.length + 1) : others;
        return sum + value * (share - shares[label]);
      }, total);
    }, 0);
  let [low, high] = [0, SHARPEST];
  for (let round = 0; round < 40; round++) {
    const middle = (low + high) / 2;
    if (derivative(middle) > 0) low = middle;
    else high = middle;
  }
  return low;
}

function qualityFrom(outcomes: readonly { right: string; answer: string | null }[]): Quality {
  const tested = outcomes.length;
  const right = outcomes.filter((outcome) => outcome.answer === outcome.right).length;
  const refused = outcomes.filter((outcome) => outcome.answer === null).length;
  return { tested, right, refused, interval: tested > 0 ? wilson(right, tested) : null };
}

/** An embedding as a vector of length 1 (of nothing but zeros: zeros), so that each photo counts as much as another. */
function direction(embedding: Float32Array): Float64Array {
  const vector = Float64Array.from(embedding);
  const length = Math.sqrt(dot(vector, vector));
  return length > 0 ? vector.map((value) => value / length) : vector;
}

/** The mean of a label's vectors but for its length, which no cosine asks for. */
function sum(vectors: readonly Float64Array[]): Float64Array {
  const total = new Float64Array(vectors[0].length);
  for (const vector of vectors) for (let at = 0; at < total.length; at++) total[at] += vector[at];
  return total;
}

function minus(whole: Float64Array, part: Float64Array): Float64Array {
  return whole.map((value, at) => value - part[at]);
}

/** The cosine of two vectors; of one that is nothing but zeros: 0. */
function cosine(one: Float64Array, other: Float64Array): number {
  const lengths = Math.sqrt(dot(one, one) * dot(other, other));
  return lengths > 0 ? dot(one, other) / lengths : 0;
}

function softmaxOf(values: readonly number[], sharpness: number): number[] {
  const largest = Math.max(...values);
  const exponents = values.map((value) => Math.exp((value - largest) * sharpness));
  const sum = exponents.reduce((total, exponent) => total + exponent, 0);
  return exponents.map((exponent) => exponent / sum);
}

function indexOfLargest(values: readonly number[]): number {
  return values.reduce((best, value, index) => (value > values[best] ? index : best), 0);
}

function dot(one: Float64Array, other: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < one.length; at++) sum += one[at] * other[at];
  return sum;
}
