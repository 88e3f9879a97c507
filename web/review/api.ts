/**
 * What the page asks of the server that it came from (twinlens/review/server.py).
 */

export type Kind = 'label-issue' | 'high-loss' | 'not-sure' | 'feedback';

export interface Reason {
  readonly kind: Kind;
  /** Probability that the label is wrong, from 0 to 1. */
  readonly doubt: number;
  readonly suggested: string | null;
}

/** What visitors say of a photo, which nobody has decided on. */
export interface Feedback {
  /** By how many clients, most first; null: that it is none of the model's labels. */
  readonly said: readonly { readonly label: string | null; readonly clients: number }[];
  /** What the model said. */
  readonly predicted: string;
  readonly score: number;
}

export interface Photo {
  /** In the data set, or what stands for the path of a photo that is not in it; what names the photo. */
  readonly path: string;
  /** Empty where most visitors say that a new photo shows none of the model's labels. */
  readonly label: string;
  readonly split: string | null;
  /** When a person last said that the label is right; null if nobody has. */
  readonly reviewed: string | null;
  readonly doubt: number;
  readonly reasons: readonly Reason[];
  /** Null where nobody has said anything of the photo. */
  readonly feedback: Feedback | null;
}

/** Everything that there is to review, the most doubtful first. */
export interface Review {
  readonly data: string;
  readonly who: string;
  readonly labels: readonly string[];
  readonly photos: readonly Photo[];
  /** How many decisions stand. */
  readonly undoable: number;
}

export interface Decided {
  readonly action: 'confirm' | 'relabel' | 'set-aside' | 'undo';
  readonly path: string;
  /** Null where the photo is no longer in the data set. */
  readonly label: string | null;
  readonly reviewed: string | null;
}

export type Decision =
  | { readonly action: 'confirm' | 'set-aside'; readonly path: string; readonly seen: string }
  | { readonly action: 'relabel'; readonly path: string; readonly seen: string; readonly label: string };

/** Thrown where the server refuses, with its own words. */
export class RefusedError extends Error {
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.name = 'RefusedError';
    this.code = code;
  }
}

export class Server {
  private readonly token: string;

  /**
   * @param token what the server wrote into this page; without it nothing is decided.
   */
  constructor(token: string) {
    this.token = token;
  }

  photos(): Promise<Review> {
    return this.ask<Review>('api/photos');
  }

  decide(decision: Decision): Promise<Decided> {
    return this.ask<Decided>('api/decide', decision);
  }

  undo(): Promise<Decided> {
    return this.ask<Decided>('api/undo', {});
  }

  private async ask<Answer>(address: string, body?: object): Promise<Answer> {
    const headers = { 'Content-Type': 'application/json', 'X-Twinlens-Token': this.token };
    let response: Response;
    try {
      response = await fetch(address, body ? { method: 'POST', headers, body: JSON.stringify(body) } : {});
    } catch {
      throw new RefusedError('unreachable', '');
    }
    const answer = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
    if (!response.ok) throw new RefusedError(answer.code ?? 'internal', answer.detail ?? `status ${response.status}`);
    return answer as Answer;
  }
}

/** Whether a path stands for a photo that visitors sent: only a decision brings it into the data set. */
export function isNewcomer(path: string): boolean {
  return path.startsWith('.feedback/');
}

/** Address of a photo's file. */
export function addressOf({ path }: Photo): string {
  return `photos/${path.split('/').map(encodeURIComponent).join('/')}`;
}
