// What one side of HTTP/2's flow control (RFC 9113 section 5.2) is for torc that receives: so many bytes of bodies may come, of a
// stream and of the connection, and more when these were taken. Updates are rare: when half of it was taken. Pure.

export class ReceiveWindow {
  readonly #mostBytes: number;
  #leftBytes: number;
  #takenBytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
    this.#leftBytes = mostBytes;
  }

  /** False: more came than may. */
  receive(bytes: number): boolean {
    this.#leftBytes -= bytes;
    return this.#leftBytes >= 0;
  }

  /** Somebody has them now; returns by how much the window is to be opened again, mostly 0. */
  take(bytes: number): number {
    this.#takenBytes += bytes;
    if (2 * this.#takenBytes < this.#mostBytes) return 0;
    const opened = this.#takenBytes;
    this.#leftBytes += opened;
    this.#takenBytes = 0;
    return opened;
  }
}
