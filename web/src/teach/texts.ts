/**
 * Everything that is said about teaching, in each of the page's languages.
 */
import type { Language } from '../text.ts';
import type { Problem } from './problem.ts';

/** Words that stand still. */
type StaticText =
  | 'title'
  | 'lead'
  | 'label'
  | 'example'
  | 'choose'
  | 'drop'
  | 'add'
  | 'removeLabel'
  | 'removeAll'
  | 'exportFile'
  | 'importFile'
  | 'withThumbnails'
  | 'fileLead'
  | 'cancel'
  | 'remove'
  | 'keep'
  | 'removeOthers'
  | 'passing'
  | 'useAsExample'
  | 'use'
  | 'answerTitle'
  | 'labelsTitle';

export interface TeachTexts {
  readonly static: Readonly<Record<StaticText, string>>;
  readonly summary: (labels: number, photos: number) => string;
  readonly photos: (count: number) => string;
  readonly addTo: (label: string) => string;
  readonly removeLabel: (label: string) => string;
  readonly removePhoto: (number: number, label: string) => string;
  readonly photo: (number: number, label: string) => string;
  readonly takenFor: (label: string) => string;
  readonly takenForNone: string;
  readonly confirmLabel: (label: string, photos: number) => string;
  readonly confirmAll: (labels: number, photos: number) => string;
  readonly confirmOthers: (photos: number) => string;
  readonly others: (photos: number) => string;
  readonly working: (done: number, total: number) => string;
  readonly taught: (label: string, added: number) => string;
  readonly already: (count: number) => string;
  readonly stopped: string;
  readonly failedPhoto: (name: string, reason: string) => string;
  readonly failedMore: (count: number) => string;
  readonly removed: string;
  readonly exported: string;
  readonly imported: (added: number, already: number) => string;
  readonly oneMoreLabel: string;
  readonly notTested: string;
  readonly quality: (right: number, tested: number, low: string, high: string) => string;
  readonly fewTested: string;
  readonly manyTested: string;
  readonly someUntested: string;
  readonly labelQuality: (right: number, tested: number, refused: number) => string;
  readonly labelUntested: string;
  readonly none: (nearest: string) => string;
  readonly isExample: (label: string) => string;
  readonly comma: string;
  readonly problems: { readonly [Code in Problem['code']]: (problem: Extract<Problem, { code: Code }>) => string };
}

const count = (number: number, one: string, many: string) => `${number} ${number === 1 ? one : many}`;
const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e5) / 10} MB`;

const en: TeachTexts = {
  static: {
    title: 'Teach your own labels',
    lead: 'Show the page a few photos of each of your own things, under at least two labels. From then on every photo is answered in your labels too. What you teach is kept in this browser and goes nowhere else.',
    label: 'New label',
    example: 'for example: my bicycle',
    choose: 'Choose its photos',
    drop: 'or drop them here',
    add: 'Add photos',
    removeLabel: 'Delete label',
    removeAll: 'Delete everything taught',
    exportFile: 'Save to a file',
    importFile: 'Load from a file',
    withThumbnails: 'with the small pictures in it',
    fileLead:
      'A file keeps what you taught, or takes it to another browser with the same model. The photos themselves are not in it, but the numbers say roughly what they show: give it only to people you would show them to.',
    cancel: 'Cancel',
    remove: 'Delete',
    keep: 'Keep',
    removeOthers: 'Delete these',
    passing:
      'This browser keeps nothing for this page: what you teach is gone once you close it, unless you save it to a file.',
    useAsExample: 'Use as an example',
    use: 'Add',
    answerTitle: 'Your labels',
    labelsTitle: 'Taught labels',
  },
  summary: (labels, photos) => `${count(labels, 'label', 'labels')}, ${count(photos, 'photo', 'photos')}`,
  photos: (number) => count(number, 'photo', 'photos'),
  addTo: (label) => `Add photos to “${label}”`,
  removeLabel: (label) => `Delete label “${label}”`,
  removePhoto: (number, label) => `Delete photo ${number} of “${label}”`,
  photo: (number, label) => `Photo ${number} of “${label}”`,
  takenFor: (label) => `left out, it is taken for “${label}”`,
  takenForNone: 'left out, it is like none of your labels',
  confirmLabel: (label, photos) => `Delete “${label}” with its ${count(photos, 'photo', 'photos')}?`,
  confirmAll: (labels, photos) =>
    `Delete everything taught: ${count(labels, 'label', 'labels')} with ${count(photos, 'photo', 'photos')}?`,
  confirmOthers: (photos) => `Delete ${count(photos, 'photo', 'photos')} taught to other models?`,
  others: (photos) =>
    `This browser also holds ${count(photos, 'photo', 'photos')} taught to another model, or to an earlier version of this one. What one model was taught is of no use to another: teach it again.`,
  working: (done, total) => `Learning: ${done} of ${count(total, 'photo', 'photos')}`,
  taught: (label, added) => `${count(added, 'photo', 'photos')} added to “${label}”.`,
  already: (number) =>
    number === 1
      ? '1 photo was there already and is left where it is.'
      : `${number} photos were there already and are left where they are.`,
  stopped: 'Stopped; what had been learned stays.',
  failedPhoto: (name, reason) => `${name}: ${reason}`,
  failedMore: (number) => `${count(number, 'more photo', 'more photos')} could not be read.`,
  removed: 'Deleted.',
  exported: 'Saved to a file.',
  imported: (added, already) =>
    `${count(added, 'photo', 'photos')} loaded from the file${already > 0 ? `; ${already} more were here already` : ''}.`,
  oneMoreLabel: 'One more label is needed: there is nothing to choose between yet.',
  notTested: 'How good this is cannot be said yet: that takes a label with at least two photos.',
  quality: (right, tested, low, high) =>
    `Each photo left out in turn and answered from the others: ${right} of ${tested} right. Of new photos like these, between ${low} and ${high} would be (95 % interval).`,
  fewTested: 'With so few photos that says little. Add some, from different days, sides and backgrounds.',
  manyTested: 'Photos of one moment are alike, and make this look better than it is.',
  someUntested: 'A label with a single photo could not be tested.',
  labelQuality: (right, tested, refused) =>
    `${right} of ${tested} right${refused > 0 ? `, ${refused} answered “none of these”` : ''}`,
  labelUntested: 'not tested: one photo',
  none: (nearest) => `none of these (nearest: ${nearest})`,
  isExample: (label) => `An example of “${label}”`,
  comma: ', ',
  problems: {
    label_missing: () => 'Write the label first: what do the photos show?',
    label_too_long: ({ allowed }) => `This label is too long: use at most ${allowed} characters.`,
    too_many_labels: ({ allowed }) => `At most ${allowed} labels can be taught. Delete one first.`,
    too_many_photos: ({ allowed }) =>
      `At most ${allowed} photos can be taught in all. Delete some, or choose fewer: a few dozen for each label are plenty.`,
    storage_failed: ({ reason }) =>
      `This browser could not keep that (${reason}). Make room on the disk or in the browser’s settings, then try again.`,
    file_unreadable: () => 'This file could not be read. It may have been moved or deleted; choose it again.',
    file_too_large: ({ bytes, allowed }) =>
      `This file is too large (${megabytes(bytes)}): at most ${megabytes(allowed)} are read.`,
    file_not_taught: () => 'This is not a file of taught labels. Choose one that was saved here.',
    file_version: ({ version }) =>
      `This file was saved by another version of the page (format ${version}). Save it anew with the page that made it, or reload this one.`,
    file_other_model: ({ name, version }) =>
      `This file was taught to another model (${name} ${version}). It means nothing to the one that runs here: teach the labels again.`,
    file_damaged: ({ where }) => `This file is damaged (${where}). Nothing was loaded; use another copy of it.`,
  },
};

const zh: TeachTexts = {
  static: {
    title: '教它认识您自己的标签',
    lead: '把您自己的东西拍给页面看：每样几张照片，至少两个标签。此后每张照片还会用您的标签作答。教的内容只保存在此浏览器中，不会发往别处。',
    label: '新标签',
    example: '例如：我的自行车',
    choose: '选择它的照片',
    drop: '或拖到这里',
    add: '添加照片',
    removeLabel: '删除标签',
    removeAll: '删除全部所教内容',
    exportFile: '保存为文件',
    importFile: '从文件载入',
    withThumbnails: '包含小图',
    fileLead:
      '文件可留存所教的内容，也可带到使用同一模型的另一个浏览器。其中没有照片本身，但其中的数字大致说明照片的内容：只交给您愿意让其看照片的人。',
    cancel: '取消',
    remove: '删除',
    keep: '保留',
    removeOthers: '删除这些',
    passing: '此浏览器不为本页面保存内容：关闭页面后所教的内容会消失，除非保存为文件。',
    useAsExample: '用作示例',
    use: '添加',
    answerTitle: '您的标签',
    labelsTitle: '已教的标签',
  },
  summary: (labels, photos) => `${labels} 个标签，${photos} 张照片`,
  photos: (number) => `${number} 张照片`,
  addTo: (label) => `为“${label}”添加照片`,
  removeLabel: (label) => `删除标签“${label}”`,
  removePhoto: (number, label) => `删除“${label}”的第 ${number} 张照片`,
  photo: (number, label) => `“${label}”的第 ${number} 张照片`,
  takenFor: (label) => `留出时被认作“${label}”`,
  takenForNone: '留出时与您的标签都不像',
  confirmLabel: (label, photos) => `删除“${label}”及其 ${photos} 张照片？`,
  confirmAll: (labels, photos) => `删除全部所教内容：${labels} 个标签、${photos} 张照片？`,
  confirmOthers: (photos) => `删除教给其他模型的 ${photos} 张照片？`,
  others: (photos) =>
    `此浏览器还保存着教给另一个模型或此模型早先版本的 ${photos} 张照片。教给一个模型的内容对另一个没有用：请重新教。`,
  working: (done, total) => `学习中：${done} / ${total} 张照片`,
  taught: (label, added) => `已为“${label}”添加 ${added} 张照片。`,
  already: (number) => `${number} 张照片已经在了，保持原样。`,
  stopped: '已停止；已学会的保留。',
  failedPhoto: (name, reason) => `${name}：${reason}`,
  failedMore: (number) => `还有 ${number} 张照片无法读取。`,
  removed: '已删除。',
  exported: '已保存为文件。',
  imported: (added, already) => `已从文件载入 ${added} 张照片${already > 0 ? `；另有 ${already} 张已经在了` : ''}。`,
  oneMoreLabel: '还需要一个标签：现在还无从选择。',
  notTested: '还说不出效果如何：至少要有一个标签有两张照片。',
  quality: (right, tested, low, high) =>
    `逐张留出、用其余照片作答：${tested} 张中对了 ${right} 张。对类似的新照片，正确率在 ${low} 到 ${high} 之间（95% 区间）。`,
  fewTested: '照片太少，这说明不了多少。请添加一些不同日期、角度和背景的照片。',
  manyTested: '同一时刻的照片彼此相像，会使结果看起来比实际更好。',
  someUntested: '只有一张照片的标签无法检验。',
  labelQuality: (right, tested, refused) =>
    `${tested} 张中对了 ${right} 张${refused > 0 ? `，${refused} 张答为“都不是”` : ''}`,
  labelUntested: '未检验：只有一张照片',
  none: (nearest) => `都不是（最接近：${nearest}）`,
  isExample: (label) => `“${label}”的示例`,
  comma: '，',
  problems: {
    label_missing: () => '请先写标签：照片里是什么？',
    label_too_long: ({ allowed }) => `标签太长：最多 ${allowed} 个字符。`,
    too_many_labels: ({ allowed }) => `最多可教 ${allowed} 个标签。请先删除一个。`,
    too_many_photos: ({ allowed }) => `总共最多可教 ${allowed} 张照片。请删除一些或少选几张：每个标签几十张就足够。`,
    storage_failed: ({ reason }) => `此浏览器无法保存（${reason}）。请在磁盘或浏览器设置中腾出空间后再试。`,
    file_unreadable: () => '无法读取这个文件。它可能已被移动或删除，请重新选择。',
    file_too_large: ({ bytes, allowed }) => `文件太大（${megabytes(bytes)}）：最多读取 ${megabytes(allowed)}。`,
    file_not_taught: () => '这不是所教标签的文件。请选择在此保存的文件。',
    file_version: ({ version }) =>
      `此文件由另一版本的页面保存（格式 ${version}）。请用原页面重新保存，或重新加载本页面。`,
    file_other_model: ({ name, version }) =>
      `此文件教的是另一个模型（${name} ${version}），对这里运行的模型没有意义：请重新教。`,
    file_damaged: ({ where }) => `文件已损坏（${where}）。没有载入任何内容；请使用另一份副本。`,
  },
};

export const TEACH_TEXTS: Readonly<Record<Language, TeachTexts>> = { en, zh };

/** The problem in words. */
export function problemText(problem: Problem, language: Language): string {
  const word = TEACH_TEXTS[language].problems[problem.code] as (problem: Problem) => string;
  return word(problem);
}
