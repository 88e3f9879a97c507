/**
 * The messages between the page and its service worker.
 */

/** What the page was built as: an id, and the SHA-256 of each file by its path beside index.html. */
export interface Build {
  readonly id: string;
  readonly files: Readonly<Record<string, string>>;
}

/** Sent by a page that can answer: all that is needed to start it again without a network. */
export interface Keep {
  readonly kind: 'keep';
  readonly build: Build;
  /** Address under which index.html was loaded. */
  readonly address: string;
  /** Addresses of everything else that the page and its worker have loaded. */
  readonly loaded: readonly string[];
  /** `digest` is the SHA-256 of the version's contract.json, which holds the digests of the other files. */
  readonly model: { readonly version: string; readonly digest: string };
  /** Whether the page was cross-origin isolated: started as such again, it loads the same files. */
  readonly isolated: boolean;
}

export type ToServiceWorker =
  | Keep
  /** The page could not use what it was given: look everything through. */
  | { readonly kind: 'doubt' }
  /** The visitor wants nothing kept on the device. */
  | { readonly kind: 'forget' };

/** The answer to `keep`: how much lies on the device now, or which files could not be had without the network. */
export type Kept =
  | { readonly kept: true; readonly files: number; readonly bytes: number }
  | { readonly kept: false; readonly missing: readonly string[] };

/** Told to every open page: the service worker asked the network for something, or refused to. */
export interface Asked {
  readonly kind: 'asked';
  readonly url: string;
  readonly answer: 'network' | 'refused';
}
