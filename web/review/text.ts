/**
 * The page's words.
 */
import type { Kind } from './api.ts';
import type { Filter } from './pile.ts';

export type Language = 'en' | 'zh';

export interface Texts {
  readonly static: Readonly<Record<string, string>>;
  readonly filters: Readonly<Record<Filter, string>>;
  readonly reasons: Readonly<Record<Kind, (percent: string, suggested: string | null) => string>>;
  readonly splits: Readonly<Record<string, string>>;
  readonly status: (at: number, all: number) => string;
  readonly suggested: (label: string) => string;
  readonly said: Readonly<
    Record<'confirm' | 'relabel' | 'set-aside' | 'undo', (path: string, label: string) => string>
  >;
  readonly reviewed: (when: string) => string;
  /** What some visitors say, null: that it is none of the model's labels. */
  readonly visitors: (clients: number, label: string | null) => string;
  readonly model: (label: string, percent: string) => string;
  /** In place of the path of a photo that is not in the data set, or was not before this page was loaded. */
  readonly newcomer: string;
  readonly noneOf: string;
  readonly done: string;
  readonly nothing: string;
  readonly noLabel: string;
  readonly unreachable: string;
  readonly unreadable: string;
}

const en: Texts = {
  static: {
    title: 'Review',
    language: 'Language',
    show: 'Show',
    progress: 'Looked at',
    label: 'Label',
    confirm: 'It is right',
    aside: 'Set aside',
    other: 'Another label',
    give: 'Give it',
    back: 'Back',
    next: 'Next',
    undo: 'Undo',
  },
  filters: {
    doubtful: 'everything doubtful',
    feedback: 'what visitors say',
    'label-issue': 'labels that are probably wrong',
    'high-loss': 'where the model says something else',
    'not-sure': 'where the model is not sure',
    all: 'all photos',
  },
  reasons: {
    'label-issue': (percent, suggested) =>
      `It looks like photos of ${suggested}: ${percent} sure that the label is wrong`,
    'high-loss': (percent, suggested) => `The model says ${suggested}: ${percent} sure that the label is wrong`,
    'not-sure': (percent) => `The model is not sure of its own answer: ${percent} that it is wrong`,
    feedback: (percent) => `Visitors have said what it is; ${percent} against the label`,
  },
  splits: {
    train: 'in train',
    validation: 'in validation',
    test: 'in test',
    none: 'in no split',
    new: 'sent by visitors',
  },
  status: (at, all) => `${at} of ${all}`,
  suggested: (label) => `It is ${label}`,
  said: {
    confirm: (path, label) => `${path}: confirmed as ${label}`,
    relabel: (path, label) => `${path}: now ${label}`,
    'set-aside': (path) => `${path}: set aside`,
    undo: (path) => `${path}: as it was before`,
  },
  reviewed: (when) => `Confirmed ${when}`,
  visitors: (clients, label) =>
    `${clients === 1 ? 'One visitor says' : `${clients} visitors say`} ${label ?? 'that it is none of the labels'}`,
  model: (label, percent) => `The model says ${label} (${percent})`,
  newcomer: 'A new photo',
  noneOf: 'none of the labels',
  done: 'That was the last one.',
  nothing: 'There is nothing to look at here.',
  noLabel: 'Write a label first.',
  unreachable: 'The server does not answer. Start it again (twinlens review DATA) and load this page anew.',
  unreadable: 'This photo cannot be shown. `python -m training data verify` says why.',
};

const zh: Texts = {
  static: {
    title: '复核',
    language: '语言',
    show: '显示',
    progress: '已看',
    label: '标签',
    confirm: '标签正确',
    aside: '移开',
    other: '其他标签',
    give: '改为此标签',
    back: '上一张',
    next: '下一张',
    undo: '撤销',
  },
  filters: {
    doubtful: '所有可疑照片',
    feedback: '访客反馈',
    'label-issue': '标签可能有误',
    'high-loss': '模型答案不同',
    'not-sure': '模型不确定',
    all: '全部照片',
  },
  reasons: {
    'label-issue': (percent, suggested) => `更像 ${suggested} 的照片：标签有误的概率为 ${percent}`,
    'high-loss': (percent, suggested) => `模型认为是 ${suggested}：标签有误的概率为 ${percent}`,
    'not-sure': (percent) => `模型不确定：其自身答案有误的概率为 ${percent}`,
    feedback: (percent) => `访客已给出反馈；标签有误的可能性为 ${percent}`,
  },
  splits: { train: '训练集', validation: '验证集', test: '测试集', none: '未划分', new: '来自访客' },
  status: (at, all) => `第 ${at} 张，共 ${all} 张`,
  suggested: (label) => `是 ${label}`,
  said: {
    confirm: (path, label) => `${path}：已确认为 ${label}`,
    relabel: (path, label) => `${path}：已改为 ${label}`,
    'set-aside': (path) => `${path}：已移开`,
    undo: (path) => `${path}：已恢复原状`,
  },
  reviewed: (when) => `已于 ${when} 确认`,
  visitors: (clients, label) => `${clients} 位访客认为：${label ?? '不属于任何标签'}`,
  model: (label, percent) => `模型的答案：${label}（${percent}）`,
  newcomer: '新照片',
  noneOf: '不属于任何标签',
  done: '这是最后一张。',
  nothing: '这里没有需要看的照片。',
  noLabel: '请先填写标签。',
  unreachable: '服务器没有响应。请重新启动（twinlens review DATA），再刷新本页。',
  unreadable: '无法显示这张照片。原因请见 `python -m training data verify`。',
};

export const TEXTS: Readonly<Record<Language, Texts>> = { en, zh };
