/**
 * The server that takes feedback: whether there is one, and one word on one photo.
 */
import { requested } from '../requests/request.ts';

/** The address that takes feedback; null where there is none. A Twinlens server that takes it writes it into the page. */
export function findFeedback(): URL | null {
  const address = document.querySelector<HTMLMetaElement>('meta[name="twinlens-feedback"]')?.content;
  return address ? new URL(address, document.baseURI) : null;
}

/** What a visitor says of an answer. */
export interface Word {
  readonly file: Blob;
  /** The label that is right, by the contract's name; null for none of the model's. */
  readonly label: string | null;
  /** Digest of the model whose answer the visitor sees. */
  readonly model: string;
}

/** What the server has kept. */
export interface Kept {
  /** By which it can be removed again. */
  readonly id: string;
  readonly label: string | null;
}

/** What is sent, and no more: the file without its name. */
export function formOf({ file, label, model }: Word): FormData {
  const form = new FormData();
  form.append('image', file, 'photo');
  form.append('label', label ?? '');
  form.append('model', model);
  return form;
}

/**
 * Send one word.
 *
 * @throws RefusalError
 */
export function say(address: URL, word: Word): Promise<Kept> {
  return requested(address, formOf(word), (answer) => {
    const { id, label } = answer as Partial<Kept>;
    if (typeof id !== 'string' || label === undefined) throw new TypeError('something else answers there');
    return { id, label };
  });
}
