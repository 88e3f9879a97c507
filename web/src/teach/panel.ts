/**
 * The folded panel in which the page is taught.
 */
import type { Language } from '../text.ts';
import { Confirm } from './confirm.ts';
import { button, fileInput, make, takeDrops } from './dom.ts';
import { byLabel, type Example, LIMITS } from './example.ts';
import { read, type TaughtModel, write } from './file.ts';
import type { Learned } from './learn.ts';
import { Row } from './row.ts';
import { qualityText, taughtText, troubleText } from './sentences.ts';
import type { Classifier, Teacher } from './teacher.ts';
import { TEACH_TEXTS, type TeachTexts } from './texts.ts';

/** Id of the list of the labels that there are, which inputs offer. */
export const NAMES = 'teach-names';
/** Browsers take a moment to begin a download from an address. */
const DOWNLOAD_BEGUN_MS = 60_000;

type Words = (language: Language) => string;

export class Panel {
  readonly element = make('details', 'teach');
  private readonly teacher: Teacher;
  private readonly classifier: Classifier;
  private readonly model: TaughtModel;
  private readonly settled: () => void;
  private language: Language;
  /** Elements whose words change with the language alone. */
  private readonly words: (readonly [HTMLElement, keyof TeachTexts['static']])[] = [];
  private readonly rows = new Map<string, Row>();

  private readonly count = make('span', 'teach-count');
  private readonly passing = this.worded('p', 'teach-note', 'passing');
  private readonly others = make('div', 'teach-note');
  private readonly othersText = make('p');
  private readonly name = make('input', 'teach-input');
  private readonly photoInput = fileInput('image/*', true, (files) => this.give(this.target ?? this.name.value, files));
  private readonly working = make('div', 'teach-working');
  private readonly workingText = make('span');
  private readonly progress = make('progress');
  private readonly status = make('p', 'teach-status');
  private readonly problem = make('p', 'problem');
  private readonly list = make('ul', 'teach-rows');
  private readonly quality = make('p', 'teach-quality');
  private readonly exporting = make('div', 'teach-export');
  private readonly thumbnails = make('input');
  private readonly confirm = new Confirm();
  private readonly names = make('datalist');

  private message: Words | null = null;
  private trouble: Words | null = null;
  /** The label that the photos to be chosen are for; null for the one that is typed. */
  private target: string | null = null;
  /** Ends the photos that are on their way; null while none are. */
  private controller: AbortController | null = null;
  private done = 0;
  private total = 0;
  private last: Promise<void> = Promise.resolve();

  /** @param settled called when the photos that were given have been learned. */
  constructor(teacher: Teacher, classifier: Classifier, model: TaughtModel, language: Language, settled: () => void) {
    this.teacher = teacher;
    this.settled = settled;
    this.classifier = classifier;
    this.model = model;
    this.language = language;
    const head = make('summary', 'teach-summary');
    head.append(this.worded('h2', 'teach-title', 'title'), this.count);
    const removeOthers = this.action('quiet', 'removeOthers', () => void this.removeOthers());
    this.others.append(this.othersText, removeOthers);
    const body = make('div', 'teach-body');
    body.append(this.worded('p', 'teach-lead', 'lead'), this.passing, this.others, this.entry(), this.waiting());
    body.append(this.status, this.problem, this.list, this.quality, this.files(), this.names);
    this.element.append(head, body, this.confirm.element);
    this.names.id = NAMES;
    this.status.setAttribute('role', 'status');
    this.problem.setAttribute('role', 'alert');
    const hooks = { '': this.element, '-status': this.status, '-problem': this.problem, '-quality': this.quality };
    for (const [name, element] of Object.entries(hooks)) element.dataset.testid = `teach${name}`;
    this.speak(language);
  }

  /** Whether photos are on their way. */
  get busy(): boolean {
    return this.controller !== null;
  }

  /** Say everything in a language. */
  speak(language: Language): void {
    this.language = language;
    const texts = TEACH_TEXTS[language];
    for (const [element, key] of this.words) element.textContent = texts.static[key];
    this.name.placeholder = texts.static.example;
    this.list.setAttribute('aria-label', texts.static.labelsTitle);
    this.confirm.speak(language);
    this.render();
  }

  /** Show what is taught by now. */
  render(): void {
    const { teacher, language } = this;
    const texts = TEACH_TEXTS[language];
    const groups = byLabel(teacher.examples);
    // While photos come, all would have to be left out again for each: how good it is, is said once they are in.
    const learned = this.busy ? null : teacher.learned;
    this.count.textContent = groups.size > 0 ? texts.summary(groups.size, teacher.examples.length) : '';
    this.passing.hidden = teacher.lasting;
    this.others.hidden = teacher.others === 0;
    this.othersText.textContent = texts.others(teacher.others);
    this.renderRows(groups, learned);
    this.quality.textContent = this.busy ? '' : qualityText(groups, learned, language);
    this.exporting.hidden = groups.size === 0;
    this.renderProgress();
    this.status.textContent = this.message?.(language) ?? '';
    this.problem.textContent = this.trouble?.(language) ?? '';
  }

  /** Say what went wrong. */
  complain(error: unknown): void {
    this.message = null;
    this.trouble = (language) => troubleText(error, language);
    this.render();
  }

  private say(message: Words): void {
    this.message = message;
    this.trouble = null;
    this.render();
  }

  private renderRows(groups: ReadonlyMap<string, readonly Example[]>, learned: Learned | null): void {
    for (const [label, row] of this.rows) {
      if (groups.has(label)) continue;
      row.close();
      this.rows.delete(label);
    }
    for (const [label, examples] of groups) {
      let row = this.rows.get(label);
      if (!row) {
        row = new Row(label, {
          add: () => this.choose(label),
          drop: (files) => this.give(label, files),
          remove: () => void this.removeLabel(label),
          removePhoto: (example) => void this.removePhoto(example),
        });
        this.rows.set(label, row);
        this.list.append(row.element);
      }
      row.update(examples, learned, this.language);
    }
    this.list.hidden = groups.size === 0;
    this.names.replaceChildren(...Array.from(groups.keys(), (label) => new Option(label)));
  }

  private renderProgress(): void {
    const leaving = !this.busy && this.working.contains(document.activeElement);
    this.working.hidden = !this.busy;
    if (leaving) this.name.focus(); // the button that had the focus is gone
    this.progress.max = Math.max(this.total, 1);
    this.progress.value = this.done;
    this.workingText.textContent = TEACH_TEXTS[this.language].working(this.done, this.total);
  }

  /** Where a label is named and its first photos are given. */
  private entry(): HTMLElement {
    const form = make('form', 'teach-entry');
    const label = this.worded('label', 'teach-label', 'label');
    const submit = this.worded('button', 'button', 'choose');
    this.name.id = 'teach-name';
    this.name.maxLength = LIMITS.characters;
    this.name.autocomplete = 'off';
    this.name.dataset.testid = 'teach-name';
    label.htmlFor = this.name.id;
    submit.type = 'submit';
    submit.dataset.testid = 'teach-choose';
    this.photoInput.dataset.testid = 'teach-photos';
    form.append(label, this.name, submit, this.photoInput, this.worded('p', 'teach-drop', 'drop'));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.choose(null);
    });
    takeDrops(form, (files) => this.give(this.name.value, files));
    return form;
  }

  private waiting(): HTMLElement {
    this.workingText.id = 'teach-working';
    this.progress.setAttribute('aria-labelledby', this.workingText.id);
    const cancel = this.action('quiet', 'cancel', () => this.controller?.abort());
    cancel.dataset.testid = 'teach-cancel';
    this.working.append(this.workingText, this.progress, cancel);
    return this.working;
  }

  private files(): HTMLElement {
    const files = make('div', 'teach-files');
    const input = fileInput('.json,application/json', false, ([file]) => void this.load(file));
    input.dataset.testid = 'teach-import';
    const save = this.action('button', 'exportFile', () => void this.save());
    save.dataset.testid = 'teach-export';
    const remove = this.action('quiet', 'removeAll', () => void this.removeAll());
    remove.dataset.testid = 'teach-remove-all';
    const withThumbnails = make('label', 'teach-check');
    this.thumbnails.type = 'checkbox';
    this.thumbnails.dataset.testid = 'teach-thumbnails';
    withThumbnails.append(this.thumbnails, this.worded('span', '', 'withThumbnails'));
    this.exporting.append(save, withThumbnails, remove);
    const actions = make('div', 'teach-actions');
    actions.append(
      this.action('button', 'importFile', () => input.click()),
      input,
      this.exporting,
    );
    files.append(this.worded('p', 'teach-small', 'fileLead'), actions);
    return files;
  }

  /** Open the chooser for the photos of a label, the typed one if it is null. */
  private choose(target: string | null): void {
    this.target = target;
    if (this.labelFor(target ?? this.name.value) !== null) this.photoInput.click();
  }

  /** Teach a label with photos, after those that are on their way. */
  private give(typed: string, files: readonly File[]): void {
    const label = files.length > 0 ? this.labelFor(typed) : null;
    if (label === null) return;
    if (typed === this.name.value) this.name.value = '';
    this.total += files.length;
    this.controller ??= new AbortController();
    const { signal } = this.controller;
    this.message = this.trouble = null;
    this.render();
    this.last = this.last.then(() => this.learnFrom(label, files, signal));
  }

  private labelFor(typed: string): string | null {
    try {
      return this.teacher.labelFor(typed);
    } catch (error) {
      this.complain(error);
      this.name.focus();
      return null;
    }
  }

  private async learnFrom(label: string, files: readonly File[], signal: AbortSignal): Promise<void> {
    const before = this.done;
    let report: () => void;
    try {
      const taught = await this.teacher.teach(label, files, this.classifier, signal, (done) => {
        this.done = before + done;
        this.renderProgress();
      });
      report = () => this.say((language) => taughtText(label, taught, signal.aborted, language));
    } catch (error) {
      report = () => this.complain(error);
    }
    this.done = before + files.length;
    if (this.done === this.total) {
      this.done = this.total = 0;
      this.controller = null;
      this.settled();
    }
    report();
  }

  private removePhoto(example: Example): Promise<void> {
    const index = this.teacher.examples.filter(({ label }) => label === example.label).indexOf(example);
    return this.remove([example], () => {
      const row = this.rows.get(example.label);
      if (row) row.focusNear(index);
      else this.name.focus();
    });
  }

  private async removeLabel(label: string): Promise<void> {
    const examples = () => this.teacher.examples.filter((example) => example.label === label);
    const texts = TEACH_TEXTS[this.language];
    if (await this.confirm.ask(texts.confirmLabel(label, examples().length))) await this.remove(examples());
  }

  private async removeAll(): Promise<void> {
    const { examples } = this.teacher;
    const texts = TEACH_TEXTS[this.language];
    if (!(await this.confirm.ask(texts.confirmAll(byLabel(examples).size, examples.length)))) return;
    this.controller?.abort();
    await this.last;
    await this.remove(this.teacher.examples);
  }

  private async removeOthers(): Promise<void> {
    if (!(await this.confirm.ask(TEACH_TEXTS[this.language].confirmOthers(this.teacher.others)))) return;
    await this.attempt(async () => {
      await this.teacher.forgetOthers();
      this.removed(() => this.name.focus());
    });
  }

  private remove(examples: readonly Example[], focus = () => this.name.focus()): Promise<void> {
    return this.attempt(async () => {
      await this.teacher.forget(examples);
      this.removed(focus);
    });
  }

  private removed(focus: () => void): void {
    this.say((language) => TEACH_TEXTS[language].removed);
    focus();
  }

  private save(): Promise<void> {
    return this.attempt(async () => {
      const file = await write(this.teacher.examples, this.model, this.thumbnails.checked);
      const link = make('a');
      link.href = URL.createObjectURL(file);
      link.download = `${this.model.name}-taught-${new Date().toISOString().slice(0, 10)}.json`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), DOWNLOAD_BEGUN_MS);
      this.say((language) => TEACH_TEXTS[language].exported);
    });
  }

  private load(file: File | undefined): Promise<void> {
    return this.attempt(async () => {
      if (!file) return;
      const { added, already } = await this.teacher.take(await read(file, this.model));
      this.say((language) => TEACH_TEXTS[language].imported(added, already));
    });
  }

  private async attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.complain(error);
    }
  }

  private worded<Tag extends 'p' | 'h2' | 'span' | 'label' | 'button'>(
    tag: Tag,
    className: string,
    key: keyof TeachTexts['static'],
  ): HTMLElementTagNameMap[Tag] {
    const made = make(tag, className);
    this.words.push([made, key]);
    return made;
  }

  private action(className: string, key: keyof TeachTexts['static'], pressed: () => void): HTMLButtonElement {
    const made = button(className, pressed);
    this.words.push([made, key]);
    return made;
  }
}
