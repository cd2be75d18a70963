// The page's one connection for what is shown: server-sent events read by fetch, because a token goes into a header, never
// into an address, and EventSource has no headers. A cut stream is asked for again with growing pauses, and goes on after
// the last event that came. A hidden page lets go of its connection: a browser has six for one server.

/** @typedef {import('./types.js').LinkState} LinkState */

const TOKEN = 'torc-token';
/** Something comes every second; a stream that is silent for so long is dead. */
const SILENT_MS = 5_000;
const LONGEST_PAUSE_MS = 8_000;
const HIDDEN_MS = 10_000;

/** Kept for this tab alone. */
export const token = {
  get: () => sessionStorage.getItem(TOKEN) ?? '',
  /** @param {string} value */
  set: value => sessionStorage.setItem(TOKEN, value),
  forget: () => sessionStorage.removeItem(TOKEN),
  /** The page was told that one is asked for. */
  isMissing: () => token.get() === '' && document.documentElement.hasAttribute('data-needs-token'),
};

/** @param {Record<string, string>} fields */
const withToken = fields =>
  token.get() === '' ? fields : { ...fields, authorization: `Bearer ${token.get()}` };

/** An answer that is none: why, and the status. */
export class Refused extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @param {Response} response */
async function refusal(response) {
  const text = await response.text();
  let message = text.slice(0, 300);
  try {
    message = String(JSON.parse(text).message).replace('<Error> ', '');
  } catch {}
  return new Refused(response.status, message === '' ? `status ${response.status}` : message);
}

/**
 * One control request; its JSON, or Refused.
 * @param {string} method @param {string} path @param {object} [body] @param {AbortSignal} [signal]
 */
export async function ask(method, path, body, signal) {
  const response = await fetch(path, {
    method,
    headers: withToken(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
    cache: 'no-store',
  });
  if (!response.ok) throw await refusal(response);
  return response.json();
}

/**
 * @typedef {object} Listener
 * @property {(event: string, data: any) => void} onEvent
 * @property {(state: LinkState) => void} onState
 */

export class Link {
  /** @param {Listener} listener */
  constructor(listener) {
    this.listener = listener;
    this.lastId = '';
    this.lastMs = Date.now();
    this.pauseMs = 0;
    /** @type {AbortController | null} */
    this.reading = null;
    /** @type {(() => void) | null} */
    this.wake = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.hiding = undefined;
    document.addEventListener('visibilitychange', () => this.onVisibility());
    window.addEventListener('online', () => this.wake?.());
    void this.run();
  }

  /** Now, not after the pause. */
  again() {
    this.wake?.();
  }

  onVisibility() {
    clearTimeout(this.hiding);
    if (document.hidden) this.hiding = setTimeout(() => this.reading?.abort('hidden'), HIDDEN_MS);
    else this.wake?.();
  }

  async run() {
    for (;;) {
      const { kind, why } = await this.read();
      this.listener.onState({ kind, why, sinceMs: this.lastMs });
      this.pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(500, this.pauseMs * 2));
      const isWaiting = kind === 'token' || kind === 'paused';
      await new Promise(resolve => {
        this.wake = () => resolve(null);
        if (!isWaiting) setTimeout(resolve, this.pauseMs);
      });
      this.wake = null;
    }
  }

  /** Until the stream ends. @returns {Promise<Pick<LinkState, 'kind' | 'why'>>} */
  async read() {
    if (token.isMissing()) return { kind: 'token', why: '' };
    const abort = new AbortController();
    this.reading = abort;
    let watch = setTimeout(() => abort.abort('silent'), SILENT_MS);
    try {
      const known = this.lastId === '' ? {} : { 'last-event-id': this.lastId };
      const response = await fetch('stats', {
        headers: withToken({ accept: 'text/event-stream', ...known }),
        signal: abort.signal,
        cache: 'no-store',
      });
      if (!response.ok || response.body === null) throw await refusal(response);
      for await (const { id, event, data } of eventsOf(response.body)) {
        clearTimeout(watch);
        watch = setTimeout(() => abort.abort('silent'), SILENT_MS);
        this.pauseMs = 0;
        this.lastMs = Date.now();
        if (id !== '') this.lastId = id;
        this.listener.onEvent(event, JSON.parse(data));
      }
      return { kind: 'stale', why: 'the stream ended' };
    } catch (error) {
      if (abort.signal.reason === 'hidden') return { kind: 'paused', why: 'the page was hidden' };
      if (abort.signal.aborted) return { kind: 'stale', why: 'nothing came for 5 s' };
      return stateFor(error);
    } finally {
      clearTimeout(watch);
      abort.abort();
    }
  }
}

/** @param {unknown} error @returns {Pick<LinkState, 'kind' | 'why'>} */
function stateFor(error) {
  if (!(error instanceof Refused)) return { kind: 'stale', why: 'torc does not answer' };
  if (error.status === 401) return { kind: 'token', why: error.message };
  return { kind: error.status === 403 ? 'refused' : 'stale', why: error.message };
}

/** @param {ReadableStream<Uint8Array<ArrayBuffer>>} body */
async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (text + value).split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const found = { id: '', event: 'message', data: '' };
      for (const line of block.split('\n')) {
        const [name, rest] = [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)];
        if (name === 'id' || name === 'event' || name === 'data') found[name] = rest;
      }
      if (found.data !== '') yield found;
    }
  }
}
