/**
 * Shrinks photos by the contract's own resize, with the real page's modules, so that the server's resize has nothing
 * left to do: of the centre it keeps a square of `shorter_edge` pixels, in whose middle the network's input lies. (The
 * larger box has other edges to be rounded to float32, which makes a value in some hundreds differ by 1.)
 */
import type { Contract } from '../contract.gen.ts';
import { cropBox } from '../crop.ts';
import { decode } from '../decode.ts';
import { resample } from '../resample.ts';
import type { FromShrinker, ToShrinker } from './protocol.ts';

const scope = self as unknown as {
  postMessage(message: FromShrinker): void;
  onmessage: ((event: MessageEvent<ToShrinker>) => void) | null;
};
let contract: Promise<Contract> | undefined;

async function fetchContract(address: string): Promise<Contract> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`the server's contract cannot be read: status ${response.status}`);
  return (await response.json()) as Contract;
}

/** The photo made small, or the photo itself where that is the smaller file. */
async function shrink(file: Blob, rules: Contract): Promise<Blob> {
  const edge = Math.max(rules.resize.shorter_edge, rules.crop.width, rules.crop.height);
  const photo = await decode(file, rules);
  try {
    const { width, height } = photo.pixels;
    const box = cropBox(width, height, { resize: rules.resize, crop: { ...rules.crop, width: edge, height: edge } });
    const small = await resample(photo.pixels, box, edge, edge);
    const image = new ImageData(edge, edge);
    for (let from = 0, to = 0; from < small.length; from += 3, to += 4) {
      image.data[to] = small[from];
      image.data[to + 1] = small[from + 1];
      image.data[to + 2] = small[from + 2];
      image.data[to + 3] = 255;
    }
    const canvas = new OffscreenCanvas(edge, edge);
    canvas.getContext('2d')?.putImageData(image, 0, 0);
    // At quality 1 Chromium's WebP is lossless: the server sees these pixels and no others.
    const blob = await canvas.convertToBlob({ type: 'image/webp', quality: 1 });
    return blob.size < file.size ? blob : file;
  } finally {
    photo.close();
  }
}

scope.onmessage = ({ data: { id, file, model } }) => {
  contract ??= fetchContract(model);
  contract.catch(() => (contract = undefined)); // the next photo asks again
  contract
    .then((rules) => shrink(file, rules))
    .then(
      (blob) => scope.postMessage({ id, blob }),
      (error: unknown) => scope.postMessage({ id, error: error instanceof Error ? error.message : String(error) }),
    );
};
