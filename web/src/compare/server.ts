/**
 * The server that the page was served by: whether there is one, and its answer to one photo.
 */
import { requested } from '../requests/request.ts';

/** The address that classifies; null where the page lies on a host of files. A Twinlens server writes it into the page. */
export function findServer(): URL | null {
  const address = document.querySelector<HTMLMetaElement>('meta[name="twinlens-server"]')?.content;
  return address ? new URL(address, document.baseURI) : null;
}

export interface ServerAnswer {
  /** The score of every label, by the contract's name. */
  readonly scores: ReadonlyMap<string, number>;
  readonly model: { readonly name: string; readonly version: string; readonly digest: string };
  /** From sending to the whole answer. */
  readonly milliseconds: number;
}

interface Reply {
  readonly predictions: readonly { readonly label: string; readonly score: number }[];
  readonly model: ServerAnswer['model'];
}

/**
 * Send one picture and read the answer.
 *
 * @param address that classifies.
 * @param picture an image file, sent as it is.
 * @param labels how many labels the model has: all of them are asked for.
 * @throws RefusalError
 */
export async function ask(address: URL, picture: Blob, labels: number): Promise<ServerAnswer> {
  const asked = new URL(address);
  asked.searchParams.set('top_k', String(labels));
  const began = performance.now();
  return requested(asked, picture, (answer) => {
    const { predictions, model } = answer as Reply;
    const milliseconds = performance.now() - began;
    return { scores: new Map(predictions.map(({ label, score }) => [label, score])), model, milliseconds };
  });
}
