// Names one request of one worker, for whoever looks for it in the log: worker, start of the process, counter. Made only
// where it is told (torc's own answer, an access log line), because nearly every request needs none, and from a counter
// instead of random bytes, because it says which worker it was and costs a short text.

export class RequestIds {
  readonly #prefix: string;
  #next = 0;

  /** The start keeps a worker that is forked again, or torc started again, from repeating ids. */
  constructor(worker: number, startedAtMs: number) {
    this.#prefix = `${worker}-${startedAtMs.toString(36)}-`;
  }

  next(): string {
    return this.#prefix + (this.#next++).toString(36);
  }
}
