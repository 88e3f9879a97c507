/**
 * The privacy panel: what was asked for since loading, an invitation to pull the plug, and what is kept on the device.
 */
import './privacy.css';
import { element } from '../dom.ts';
import { findFeedback } from '../feedback/send.ts';
import type { Standing } from '../offline/offline.ts';
import type { Context, Panel } from '../panels.ts';
import { type Language, megabytesText } from '../text.ts';
import { seal } from './seal.ts';
import { PRIVACY_TEXTS } from './text.ts';

/** More than anyone reads; a page that asks for more has a fault, which the count shows. */
const LISTED = 50;

/** Mount the panel in a section, once the page is loaded: from here on requests are counted. */
export function mountPrivacy(section: HTMLElement, context: Context): Panel {
  const { ready, requests, offline, server } = context;
  let { language } = context;
  let standing: Standing | 'keeping' | 'forgotten' = 'keeping';

  const title = element('summary');
  const count = element('p', 'privacy-count');
  count.dataset.testid = 'request-count';
  const list = element('ol', 'privacy-list');
  const network = element('p', 'privacy-network');
  network.setAttribute('role', 'status');
  const paragraphs = {
    promise: element('p'),
    invitation: element('p'),
    policy: element('p'),
    unlisted: element('p', 'privacy-note'),
  };
  const kept = element('p');
  kept.dataset.testid = 'offline-state';
  const forget = element('button', 'button');
  forget.type = 'button';
  const details = element('details', 'privacy');
  details.append(
    title,
    paragraphs.promise,
    count,
    list,
    paragraphs.invitation,
    network,
    paragraphs.policy,
    paragraphs.unlisted,
    kept,
    forget,
  );
  section.id = 'privacy';
  section.append(details);

  const renderRequests = () => {
    const texts = PRIVACY_TEXTS[language];
    const seen = requests.sinceLoading();
    count.textContent = texts.count(seen.length);
    count.dataset.value = String(seen.length);
    list.hidden = seen.length === 0;
    list.tabIndex = 0; // it scrolls
    list.setAttribute('aria-label', texts.list);
    list.replaceChildren(
      ...seen.slice(-LISTED).map(({ url, at, by, refused }) => {
        const time = new Date(at).toLocaleTimeString(language, { hour12: false });
        const row = element('li');
        row.textContent = [time, texts.by[by], url, ...(refused ? [texts.refused] : [])].join(' · ');
        return row;
      }),
    );
  };

  const renderNetwork = () => {
    const texts = PRIVACY_TEXTS[language];
    network.textContent = navigator.onLine ? texts.online : texts.offline;
    network.dataset.online = String(navigator.onLine);
  };

  const renderKept = () => {
    const texts = PRIVACY_TEXTS[language];
    if (standing === 'keeping') kept.textContent = texts.keeping;
    else if (standing === 'forgotten') kept.textContent = texts.forgotten;
    else if (standing.kept) kept.textContent = texts.kept(standing.files, megabytesText(standing.bytes, language));
    else kept.textContent = texts.notKept['reason' in standing ? standing.reason : 'missing'];
    const isKept = typeof standing === 'object' && standing.kept;
    kept.dataset.kept = String(isKept);
    forget.hidden = !isKept;
  };

  const speak = (next: Language) => {
    language = next;
    const texts = PRIVACY_TEXTS[next];
    title.textContent = texts.title;
    paragraphs.promise.textContent = texts.promise;
    paragraphs.invitation.textContent = texts.invitation;
    paragraphs.policy.textContent = `${server ? texts.server(server.host, findFeedback() !== null) : texts.sealed} ${texts.sealedWorker}`;
    paragraphs.unlisted.textContent = texts.unlisted;
    forget.textContent = texts.forget;
    renderRequests();
    renderNetwork();
    renderKept();
  };

  const settle = (next: typeof standing) => {
    standing = next;
    renderKept();
  };

  addEventListener('online', renderNetwork);
  addEventListener('offline', renderNetwork);
  forget.addEventListener('click', () => {
    forget.disabled = true;
    void offline.forget().then(() => {
      settle('forgotten');
      title.focus(); // the button is gone
    });
  });
  requests.onChange = renderRequests;
  requests.loaded();
  if (!server) seal();
  void offline.keep({ version: ready.model.version, digest: ready.digest }, requests.addresses()).then(settle);
  speak(language);
  return { speak };
}
