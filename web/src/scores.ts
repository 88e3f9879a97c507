/**
 * From logits to scores, in float64 as twinlens/inference.py does it.
 */

/** `softmax(logits / temperature)`. */
export function softmax(logits: ArrayLike<number>, temperature: number): number[] {
  const scaled = Array.from(logits, (logit) => logit / temperature);
  const largest = Math.max(...scaled);
  const exponents = scaled.map((value) => Math.exp(value - largest));
  const sum = exponents.reduce((total, exponent) => total + exponent, 0);
  return exponents.map((exponent) => exponent / sum);
}

/** Positions of the `k` best scores, best first; equal scores in the order of the labels. */
export function top(scores: readonly number[], k: number): number[] {
  return scores
    .map((_, index) => index)
    .sort((a, b) => scores[b] - scores[a] || a - b)
    .slice(0, k);
}
