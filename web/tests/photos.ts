/**
 * Made photos and a made model for tests of what is done with answers.
 */
import { Album, type Photo } from '../src/album.ts';
import type { Failure } from '../src/failure.ts';
import type { ActivationMaps, Answer, Label } from '../src/protocol.ts';

export const LABELS: readonly Label[] = [
  { name: 'hat', display: { en: 'hat', zh: '帽子' } },
  { name: 'dress', display: { en: 'dress', zh: '连衣裙' } },
  { name: 'shoes', display: { en: 'ankle boots' } },
];

export const PUBLICATION = {
  model: { name: 'clothing', version: 'v1' },
  labels: LABELS,
  digest: 'd'.repeat(64),
  notSure: 0.5,
};

export function answerOf(scores: readonly number[], maps: ActivationMaps | null = null): Answer {
  return {
    scores,
    embedding: new Float32Array(2),
    maps,
    inputSha256: 'a'.repeat(64),
    format: 'png',
    width: 40,
    height: 30,
    box: { left: 5, top: 0, right: 35, bottom: 30 },
    thumbnail: Promise.resolve(null),
    milliseconds: { decode: 1, inference: 2 },
    tensors: 0,
  };
}

/** An album in which each photo has what is given: scores, a failure, or nothing yet. */
export function albumOf(given: Readonly<Record<string, readonly number[] | Failure | null>>): Album {
  const album = new Album();
  for (const [name, outcome] of Object.entries(given)) {
    const [photo] = album.add([{ file: new File([], name), name }]);
    if (outcome === null) continue;
    if ('code' in outcome) album.settle(photo, { kind: 'failure', failure: outcome });
    else album.answer(photo, answerOf(outcome));
  }
  return album;
}

export const named = (photos: readonly Photo[]) => photos.map(({ name }) => name);
