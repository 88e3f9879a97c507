/**
 * What the page remembers from visit to visit: choices, never anything of a photo. Browsers may refuse to keep anything;
 * the page then starts each time as if for the first time.
 */

type Choice = 'language' | 'shown';

const PREFIX = 'twinlens.';

/** The choice that was made on an earlier visit. */
export function recall(choice: Choice): string | null {
  try {
    return localStorage.getItem(PREFIX + choice);
  } catch {
    return null;
  }
}

/** Keep a choice for the next visit. */
export function remember(choice: Choice, value: string): void {
  try {
    localStorage.setItem(PREFIX + choice, value);
  } catch {
    // Not kept: the visitor has told the browser so.
  }
}
