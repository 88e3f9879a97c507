/**
 * What runs the model: what was measured on this device, and the visitor's choice.
 */
import { BackendRefusedError } from './bridge.ts';
import { byId, element } from './dom.ts';
import { failureOf } from './failure.ts';
import type { BackendName, BackendStanding } from './protocol.ts';
import { failureText, type Language, numberText, TEXTS } from './text.ts';

export class Settings {
  private readonly dialog = byId('settings', HTMLDialogElement);
  private readonly opener = byId('open-settings', HTMLButtonElement);
  private readonly list = byId('backends', HTMLElement);
  private readonly said = byId('settings-said', HTMLElement);
  private readonly use: (backend: BackendName) => Promise<void>;
  private language: Language = 'en';
  private standings: readonly BackendStanding[] = [];

  /** @param use change what runs the model; throws where it cannot. */
  constructor(use: (backend: BackendName) => Promise<void>) {
    this.use = use;
    this.opener.addEventListener('click', () => {
      this.said.textContent = '';
      this.dialog.showModal();
    });
    byId('close-settings', HTMLButtonElement).addEventListener('click', () => this.dialog.close());
  }

  /** Change the language. */
  speak(language: Language): void {
    this.language = language;
    this.render(this.standings);
  }

  /** Show how the backends stand. */
  render(standings: readonly BackendStanding[]): void {
    this.standings = standings;
    const focused = this.list.contains(document.activeElement);
    this.list.replaceChildren(...standings.map((standing) => this.row(standing)));
    if (focused) this.list.querySelector<HTMLInputElement>('input:checked')?.focus();
    this.opener.hidden = standings.length === 0;
  }

  private row(standing: BackendStanding): HTMLElement {
    const { name, state } = standing;
    const radio = element('input');
    radio.type = 'radio';
    radio.name = 'backend';
    radio.value = name;
    radio.checked = state === 'in-use';
    radio.disabled = state === 'refused';
    radio.addEventListener('change', () => void this.change(name));
    const words = element('span', 'words', TEXTS[this.language].backends[name]);
    words.append(element('span', 'standing', this.standing(standing)));
    const row = element('label', 'backend');
    row.append(radio, words);
    return row;
  }

  private standing({ state, milliseconds, reason, threads }: BackendStanding): string {
    const texts = TEXTS[this.language];
    const parts = [
      texts.states[state],
      reason === null ? '' : texts.refusals[reason],
      milliseconds === null ? '' : texts.measured(numberText(milliseconds, this.language)),
      threads === null || threads < 2 ? '' : texts.threads(threads),
    ];
    return parts.filter((part) => part !== '').join(' · ');
  }

  private async change(name: BackendName): Promise<void> {
    this.said.textContent = TEXTS[this.language].changing;
    try {
      await this.use(name);
      this.said.textContent = '';
    } catch (error) {
      this.render(this.standings); // the choice goes back to what is in use
      this.said.textContent =
        error instanceof BackendRefusedError
          ? TEXTS[this.language].refusals[error.reason]
          : failureText(failureOf(error), this.language);
    }
  }
}
