/**
 * What a photo's card asks of the visitor: whether its answer is right, and what is right instead. Before anything is sent
 * the card says what that is, and to whom; only then can it be sent.
 */
import { button, element } from '../dom.ts';
import type { AnsweredPhoto } from '../panels.ts';
import type { Ready } from '../protocol.ts';
import { type Refusal, RefusalError } from '../requests/request.ts';
import { top } from '../scores.ts';
import { labelText, type Language, sizeText } from '../text.ts';
import { type Kept, say } from './send.ts';
import { FEEDBACK_TEXTS } from './text.ts';

/** What the cards of a page have in common. */
export interface Shared {
  readonly address: URL;
  readonly ready: Pick<Ready, 'labels' | 'digest' | 'model'>;
  language: Language;
  /** The visitor has said that one consent is for all photos. */
  remembered: boolean;
}

type Stage =
  | { readonly kind: 'asking' | 'choosing' }
  | { readonly kind: 'agreeing' | 'sending'; readonly label: string | null }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'kept'; readonly kept: Kept };

/** The choice that stands for none of the model's labels; no label is empty. */
const NONE = '';

export class Voice {
  readonly element = element('div', 'feedback-voice');
  private readonly photo: AnsweredPhoto;
  private readonly shared: Shared;
  private readonly best: number;
  private stage: Stage = { kind: 'asking' };

  private readonly ask = element('div', 'feedback-actions');
  private readonly right = marked(
    button('quiet', '', () => this.decide(this.shared.ready.labels[this.best].name)),
    'right',
  );
  private readonly wrong = marked(
    button('quiet', '', () => this.choose()),
    'wrong',
  );

  private readonly form = element('form', 'feedback-actions');
  private readonly choice = marked(element('select'), 'label');
  private readonly next = marked(element('button', 'button'), 'next');
  private readonly back = button('quiet', '', () => this.enter({ kind: 'asking' }, this.wrong));

  private readonly consent = marked(element('div', 'feedback-consent'), 'consent');
  private readonly what = element('p');
  private readonly list = element('ul');
  private readonly keeps = element('p', 'feedback-note');
  private readonly remember = element('input');
  private readonly rememberWords = element('span');
  private readonly send = marked(
    button('button primary', '', () => this.agree()),
    'send',
  );
  private readonly cancel = marked(
    button('button', '', () => this.enter({ kind: 'asking' }, this.right)),
    'cancel',
  );

  private readonly status = marked(element('p', 'feedback-status'), 'status');
  private readonly again = marked(
    button('quiet', '', () => this.enter({ kind: 'asking' }, this.right)),
    'again',
  );

  constructor(photo: AnsweredPhoto, shared: Shared) {
    this.photo = photo;
    this.shared = shared;
    [this.best] = top(photo.answer.scores, 1);
    this.element.setAttribute('role', 'group');
    marked(this.element, 'voice');
    this.ask.append(this.right, this.wrong);
    this.next.type = 'submit';
    this.form.append(this.choice, this.next, this.back);
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.decide(this.choice.value === NONE ? null : this.choice.value);
    });
    this.consent.tabIndex = -1;
    this.remember.type = 'checkbox';
    const remember = element('label', 'feedback-remember');
    remember.append(this.remember, this.rememberWords);
    const actions = element('div', 'feedback-actions');
    actions.append(this.send, this.cancel);
    this.consent.append(this.what, this.list, this.keeps, remember, actions);
    this.status.setAttribute('role', 'status');
    this.status.tabIndex = -1;
    this.element.append(this.ask, this.form, this.consent, this.status, this.again);
    this.speak();
  }

  /** Say everything in the language of the page. */
  speak(): void {
    const texts = FEEDBACK_TEXTS[this.shared.language];
    const name = this.photo.file.name;
    this.element.setAttribute('aria-label', texts.group(name));
    // Their names begin with what is written on them, or voice control would not find them.
    for (const [control, words] of [
      [this.right, texts.right],
      [this.wrong, texts.wrong],
    ] as const) {
      control.textContent = words;
      control.setAttribute('aria-label', `${words}: ${name}`);
    }
    this.choice.setAttribute('aria-label', texts.label(name));
    if (this.stage.kind === 'choosing') this.fill();
    this.next.textContent = texts.next;
    this.back.textContent = texts.back;
    this.keeps.textContent = texts.keeps;
    this.rememberWords.textContent = texts.remember;
    this.send.textContent = texts.send;
    this.cancel.textContent = texts.cancel;
    this.again.textContent = texts.again;
    this.render();
  }

  private render(): void {
    const { stage } = this;
    const { kind } = stage;
    const texts = FEEDBACK_TEXTS[this.shared.language];
    this.element.dataset.stage = kind;
    this.ask.hidden = kind !== 'asking' && kind !== 'refused';
    this.form.hidden = kind !== 'choosing';
    this.consent.hidden = kind !== 'agreeing';
    this.again.hidden = kind !== 'kept';
    if (stage.kind === 'agreeing') {
      this.what.textContent = texts.consent(this.shared.address.href);
      const size = sizeText(this.photo.file.size, this.shared.language);
      const { name, version } = this.shared.ready.model;
      const said = texts.said(this.words(stage.label));
      const lines = [texts.file(this.photo.file.name, size), said, texts.model(name, version)];
      this.list.replaceChildren(...lines.map((line) => element('li', '', line)));
    }
    this.status.textContent =
      stage.kind === 'sending'
        ? texts.sending
        : stage.kind === 'refused'
          ? texts.refused(stage.refusal)
          : stage.kind === 'kept'
            ? texts.kept(this.words(stage.kept.label), stage.kept.id)
            : '';
  }

  private words(label: string | null): string {
    const { language, ready } = this.shared;
    const found = ready.labels.find(({ name }) => name === label);
    return found ? labelText(found, language) : (label ?? FEEDBACK_TEXTS[language].none);
  }

  /** @param focus what takes the place of the control that was used, which is gone. */
  private enter(stage: Stage, focus: HTMLElement): void {
    this.stage = stage;
    this.render();
    focus.focus();
  }

  /** Offer every label but the one that is said to be wrong; only now, since there may be a thousand for each photo. */
  private fill(): void {
    const { language, ready } = this.shared;
    const chosen = this.choice.selectedIndex;
    const others = ready.labels.filter((_, index) => index !== this.best);
    const named = others.map((label) => option(label.name, labelText(label, language)));
    this.choice.replaceChildren(...named, option(NONE, FEEDBACK_TEXTS[language].none));
    this.choice.selectedIndex = Math.max(chosen, 0);
  }

  private choose(): void {
    this.fill();
    this.enter({ kind: 'choosing' }, this.choice);
  }

  private decide(label: string | null): void {
    if (this.shared.remembered) void this.tell(label);
    else this.enter({ kind: 'agreeing', label }, this.consent);
  }

  private agree(): void {
    if (this.stage.kind !== 'agreeing') return;
    this.shared.remembered = this.remember.checked;
    void this.tell(this.stage.label);
  }

  private async tell(label: string | null): Promise<void> {
    this.enter({ kind: 'sending', label }, this.status);
    const { address, ready } = this.shared;
    try {
      this.stage = { kind: 'kept', kept: await say(address, { file: this.photo.file, label, model: ready.digest }) };
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      this.stage = { kind: 'refused', refusal: error.refusal };
    }
    this.render(); // the focus stays wherever the visitor has gone meanwhile
  }
}

function option(value: string, words: string): HTMLOptionElement {
  const made = element('option', '', words);
  made.value = value;
  return made;
}

/** The same element, with a name that tests hold on to. */
function marked<Kind extends HTMLElement>(made: Kind, name: string): Kind {
  made.dataset.testid = `feedback-${name}`;
  return made;
}
