/**
 * "Take a photo": a picture from the camera in a dialog; where a page may not open the camera itself (it is not
 * `https:` or `localhost`), the device's own camera app takes it.
 */

interface Elements {
  readonly dialog: HTMLDialogElement;
  readonly video: HTMLVideoElement;
  readonly shoot: HTMLButtonElement;
  readonly cancel: HTMLButtonElement;
  readonly fallback: HTMLInputElement;
}

export class Camera {
  private readonly elements: Elements;
  private readonly onPhoto: (file: File) => void;
  private stream: MediaStream | null = null;
  private opening = false;

  constructor(elements: Elements, onPhoto: (file: File) => void) {
    this.elements = elements;
    this.onPhoto = onPhoto;
    elements.cancel.addEventListener('click', () => elements.dialog.close());
    elements.dialog.addEventListener('close', () => this.stop());
    elements.shoot.addEventListener('click', () => void this.shoot());
  }

  /**
   * Open the camera, unless it is being opened: while the browser asks the visitor, a second click would ask for a
   * second stream, and only one of them would ever be stopped.
   *
   * @throws DOMException if there is none or the visitor does not allow it.
   */
  async open(): Promise<void> {
    const devices = navigator.mediaDevices as MediaDevices | undefined;
    if (!devices) {
      this.elements.fallback.click();
      return;
    }
    if (this.opening) return;
    this.opening = true;
    try {
      this.stream = await devices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 1920 } } });
    } finally {
      this.opening = false;
    }
    const { dialog, video } = this.elements;
    video.srcObject = this.stream;
    dialog.showModal();
    try {
      await video.play();
    } catch (error) {
      if (dialog.open) throw error; // else the visitor was faster than the camera
    }
  }

  private async shoot(): Promise<void> {
    const { dialog, video } = this.elements;
    // Closed by the first of two clicks, or the camera has not given a picture yet.
    if (!dialog.open || video.videoWidth === 0) return;
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext('2d')?.drawImage(video, 0, 0);
    dialog.close();
    const picture = await canvas.convertToBlob({ type: 'image/png' });
    const time = new Date().toLocaleTimeString([], { hour12: false });
    this.onPhoto(new File([picture], `${time}.png`, { type: 'image/png' }));
  }

  private stop(): void {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.elements.video.srcObject = null;
  }
}
