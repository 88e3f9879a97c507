/**
 * Results on their way out of the page, each at the visitor's click: as a file, to the clipboard, to another program.
 */

/** Save text as a file, where the browser saves downloads. */
export function saveFile(name: string, mediaType: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: `${mediaType};charset=utf-8` }));
  link.download = name;
  link.click();
  // The download has the address by then; without this the text would stay in memory.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Whether the browser lets a page of this address write to the clipboard. */
export function canCopy(): boolean {
  return 'clipboard' in navigator;
}

/** Copy text. */
export async function copyText(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
}

/** Whether the browser can hand text to other programs. */
export function canShare(): boolean {
  return 'share' in navigator;
}

/** Hand text to another program of the visitor's choice; nothing happens where the visitor thinks better of it. */
export async function shareText(title: string, text: string): Promise<void> {
  try {
    await navigator.share({ title, text });
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'AbortError')) throw error;
  }
}
