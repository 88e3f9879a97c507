/**
 * Why the server refused, in words: what every panel says alike, with what each says of its own request.
 */
import type { Language } from '../text.ts';
import type { Refusal } from './request.ts';

/** A sentence, or one with the seconds after which to try again. */
type Sentence = string | ((seconds: number) => string);

/** What a panel says of its own. */
export interface Refused {
  /** By stable code of twinlens/errors.py; what is not among them is said as for every panel. */
  readonly codes: Readonly<Record<string, Sentence>>;
  /** Something before the server took less than was sent. */
  readonly tooLargeOnTheWay: string;
}

interface Common {
  readonly unreachable: string;
  readonly late: string;
  readonly codes: Refused['codes'];
  readonly tooMany: Sentence;
  readonly other: (what: string) => string;
}

const en: Common = {
  unreachable: 'The server cannot be reached. Check the network and try again.',
  late: 'The server did not answer within a minute. Try again later.',
  codes: {
    unsupported_format: 'The server does not read this kind of file. Save the picture as JPEG or PNG.',
    not_an_image: 'The server cannot read this file as an image: it may be damaged.',
    broken_image: 'The server cannot read this file as an image: it may be damaged.',
  },
  tooMany: (seconds) => `Too many requests were made. Try again in ${seconds} s.`,
  other: (what) => `The server answered with an error (${what}). Try again later.`,
};

const zh: Common = {
  unreachable: '无法连接服务器。请检查网络后重试。',
  late: '服务器一分钟内没有回答。请稍后重试。',
  codes: {
    unsupported_format: '服务器不支持这种文件。请将图片另存为 JPEG 或 PNG。',
    not_an_image: '服务器无法将这个文件读作图片：它可能已损坏。',
    broken_image: '服务器无法将这个文件读作图片：它可能已损坏。',
  },
  tooMany: (seconds) => `请求过多。请在 ${seconds} 秒后重试。`,
  other: (what) => `服务器返回了错误（${what}）。请稍后重试。`,
};

const COMMON: Readonly<Record<Language, Common>> = { en, zh };

/** The sentence for a refusal, by a panel that sends photos. */
export function refusedIn(language: Language, own: Refused): (refusal: Refusal) => string {
  const common = COMMON[language];
  const codes = new Map(Object.entries({ ...common.codes, ...own.codes }));
  return (refusal) => {
    if (refusal.kind !== 'problem') return common[refusal.kind];
    const { code, status, retryAfter } = refusal;
    const said = (sentence: Sentence) =>
      typeof sentence === 'string' ? sentence : sentence(Math.max(retryAfter ?? 1, 1));
    const sentence = codes.get(code);
    if (sentence !== undefined) return said(sentence);
    if (status === 413) return own.tooLargeOnTheWay;
    return status === 429 ? said(common.tooMany) : common.other(code || String(status));
  };
}
