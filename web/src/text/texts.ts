/**
 * What has to be said, in every language of the page.
 */
import type { Failure } from '../failure.ts';
import type { BackendName, BackendStanding, Refusal } from '../protocol.ts';

/** Words that stand in index.html, by the `data-text` or `data-text-label` of their element. */
type StaticText =
  | 'title'
  | 'lead'
  | 'choose'
  | 'camera'
  | 'folder'
  | 'drop'
  | 'samples'
  | 'stop'
  | 'clear'
  | 'results'
  | 'tools'
  | 'filter'
  | 'order'
  | 'shown'
  | 'map'
  | 'mapScale'
  | 'mapLow'
  | 'mapHigh'
  | 'noMap'
  | 'csv'
  | 'json'
  | 'share'
  | 'promise'
  | 'language'
  | 'settings'
  | 'runsOn'
  | 'runsOnWhy'
  | 'close'
  | 'cameraPicture'
  | 'shoot'
  | 'live';

export interface Texts {
  readonly static: Readonly<Record<StaticText, string>>;
  readonly starting: string;
  readonly loading: (loaded: string, total: string) => string;
  readonly ready: string;
  readonly working: (done: number, total: number) => string;
  readonly finished: (total: number, failed: number) => string;
  readonly stoppedAt: (done: number, total: number) => string;
  readonly goOn: string;
  readonly cannotStart: string;
  readonly waiting: string;
  readonly reading: string;
  readonly stopped: string;
  readonly notSure: string;
  /** An answer in one line that is not to be relied on. */
  readonly perhaps: (answer: string) => string;
  readonly gathering: (count: number) => string;
  readonly leftOut: (count: number) => string;
  readonly emptyFolder: string;
  readonly pasted: string;
  readonly sample: (label: string) => string;
  readonly filters: {
    readonly all: string;
    readonly notSure: string;
    readonly failed: string;
    /** A group and how many photos it has. */
    readonly counted: (group: string, count: number) => string;
    readonly passing: (shown: number, total: number) => string;
  };
  readonly orders: {
    readonly given: string;
    readonly surest: string;
    readonly doubtful: string;
    readonly label: string;
  };
  readonly labelCount: (count: number) => string;
  readonly allLabels: string;
  /** What the map in front of a photo shows. */
  readonly mapOf: (label: string, photo: string) => string;
  readonly showMapOf: (label: string) => string;
  readonly copy: string;
  readonly copied: string;
  readonly notCopied: string;
  readonly notShared: string;
  readonly copyOf: (photo: string) => string;
  readonly perturbedSlightly: string;
  readonly cameraRefused: string;
  readonly cameraMissing: string;
  readonly cameraBusy: string;
  readonly pause: string;
  readonly resume: string;
  readonly paused: string;
  readonly rate: (perSecond: string) => string;
  readonly backends: Readonly<Record<BackendName, string>>;
  readonly states: Readonly<Record<BackendStanding['state'], string>>;
  readonly refusals: Readonly<Record<Refusal, string>>;
  readonly measured: (milliseconds: string) => string;
  readonly threads: (count: number) => string;
  readonly changing: string;
  readonly failures: { readonly [Code in Failure['code']]: (failure: Extract<Failure, { code: Code }>) => string };
}
