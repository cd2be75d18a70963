// A second, independent reading of HTTP/1.1 bytes (RFC 9112), for the oracle: it shares no code and no idea with torc or
// llhttp (whole strings and one regular expression a line instead of state machines), so that a fault of theirs is not
// a fault of the judge too. It knows no mercy: what has two readings is `broken`. `cut` means that all is well so far
// and the rest is missing. Where it is softer than torc (a Host it does not look into) the oracle only allows more.

export interface Head {
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly minor: number;
  /** [name in lower case, value without the white space around it], in order. */
  readonly fields: readonly (readonly [string, string])[];
}

export interface Message {
  readonly kind: 'whole' | 'cut' | 'broken';
  /** Null where not even the head is there and in order. */
  readonly head: Head | null;
  /** What is there of the body, decoded. */
  readonly body: string;
  readonly trailers: Head['fields'];
  /** Where it ends in the bytes. */
  readonly end: number;
  readonly why: string;
}

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([!-~]+) HTTP/1\\.([01])$`);
/** What a server may read as one (section 3: words between any spaces), and no proxy may send. */
const LOOSE_REQUEST_LINE = new RegExp(`^(${TOKEN}) +([!-~]+) +HTTP/1\\.(\\d)$`);
const STATUS_LINE = /^HTTP\/1\.(\d) (\d{3})(?: [\t -~\x80-\xff]*)?$/;
const FIELD = new RegExp(`^(${TOKEN}):([\\t -~\\x80-\\xff]*)$`);
const CHUNK_LINE = /^0*([0-9a-fA-F]{1,16})[\t ]*(?:;[\t -~\x80-\xff]*)?$/;

export const valuesOf = (head: Head, name: string): string[] =>
  head.fields.filter(([field]) => field === name).map(([, value]) => value);

/** A higher version than is known is read as the highest that is (RFC 9110 section 2.5). */
const minorOf = (digit: string): number => Math.min(1, Number(digit));

const message = (
  kind: Message['kind'],
  end: number,
  why: string,
  rest: Partial<Pick<Message, 'head' | 'body' | 'trailers'>> = {},
): Message => ({ kind, end, why, head: null, body: '', trailers: [], ...rest });

/** Fields of lines that end in CRLF each, or null. Only space and tab surround a value: `trim` would take more. */
function readFields(lines: readonly string[]): (readonly [string, string])[] | null {
  const fields: (readonly [string, string])[] = [];
  for (const line of lines) {
    const match = FIELD.exec(line);
    if (match === null) return null;
    fields.push([match[1]!.toLowerCase(), match[2]!.replace(/^[\t ]+|[\t ]+$/g, '')]);
  }
  return fields;
}

/** The request that starts at `at`. A server skips empty lines before it (section 2.2); a proxy must not send any. */
export function readRequest(bytes: string, at: number, from: 'client' | 'proxy'): Message {
  let start = at;
  while (from === 'client' && (bytes[start] === '\r' || bytes[start] === '\n')) start++;
  const headEnd = bytes.indexOf('\r\n\r\n', start);
  if (headEnd === -1) return message('cut', bytes.length, 'no end of the head');
  const [first = '', ...lines] = bytes.slice(start, headEnd).split('\r\n');
  const line = (from === 'client' ? LOOSE_REQUEST_LINE : REQUEST_LINE).exec(first);
  const fields = readFields(lines);
  if (line === null) return message('broken', headEnd, 'a broken request line');
  if (fields === null) return message('broken', headEnd, 'a broken field');
  const head: Head = { method: line[1]!, target: line[2]!, status: 0, minor: minorOf(line[3]!), fields };
  const hosts = valuesOf(head, 'host').length;
  if (hosts > 1 || (hosts === 0 && head.minor === 1)) return message('broken', headEnd, 'not one host');
  if (head.method === 'CONNECT') return message('broken', headEnd, 'CONNECT');
  if (from === 'proxy' && head.minor !== 1) return message('broken', headEnd, 'not HTTP/1.1');
  if (from === 'proxy' && !/^\/|^\*$/.test(head.target)) return message('broken', headEnd, 'no origin form');
  return readBody(bytes, headEnd + 4, head, () => message('whole', headEnd + 4, '', { head }));
}

/** The final answer that starts at `at`, after any informational ones; `ended` says that the sender closed properly. */
export function readResponse(bytes: string, at: number, isHead: boolean, ended: boolean): Message {
  const headEnd = bytes.indexOf('\r\n\r\n', at);
  if (headEnd === -1) return message('cut', bytes.length, 'no end of the head');
  const [first = '', ...lines] = bytes.slice(at, headEnd).split('\r\n');
  const line = STATUS_LINE.exec(first);
  const fields = readFields(lines);
  if (line === null) return message('broken', headEnd, 'a broken status line');
  if (fields === null) return message('broken', headEnd, 'a broken field');
  const head: Head = { method: '', target: '', status: Number(line[2]), minor: minorOf(line[1]!), fields };
  const start = headEnd + 4;
  if (head.status < 100 || head.status === 101) return message('broken', headEnd, `status ${head.status}`);
  if (head.status < 200) return readResponse(bytes, start, isHead, ended);
  if (isHead || head.status === 204 || head.status === 304) return message('whole', start, '', { head });
  return readBody(bytes, start, head, () =>
    message(ended ? 'whole' : 'cut', bytes.length, 'until the close', { head, body: bytes.slice(start) }),
  );
}

/** Section 6.3, without its leniencies. `otherwise` is what no framing at all means. */
function readBody(bytes: string, start: number, head: Head, otherwise: () => Message): Message {
  const codings = valuesOf(head, 'transfer-encoding');
  const lengths = valuesOf(head, 'content-length');
  if (codings.length + lengths.length > 1) return message('broken', start, 'two framings');
  if (codings.length === 1) {
    if (head.minor === 0 || codings[0]!.toLowerCase() !== 'chunked')
      return message('broken', start, 'a coding that is not chunked');
    return readChunks(bytes, start, head);
  }
  if (lengths.length === 0) return otherwise();
  if (!/^\d{1,15}$/.test(lengths[0]!)) return message('broken', start, 'a length that is no number');
  const end = start + Number(lengths[0]);
  const body = bytes.slice(start, end);
  return message(bytes.length < end ? 'cut' : 'whole', Math.min(end, bytes.length), '', { head, body });
}

function readChunks(bytes: string, start: number, head: Head): Message {
  let body = '';
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd === -1) return message('cut', bytes.length, 'in a chunk size', { head, body });
    const size = CHUNK_LINE.exec(bytes.slice(at, lineEnd));
    if (size === null) return message('broken', at, 'a broken chunk size', { head, body });
    const length = Number.parseInt(size[1]!, 16);
    at = lineEnd + 2;
    if (length === 0) return readTrailers(bytes, at, head, body);
    body += bytes.slice(at, at + length);
    at += length;
    if (bytes.length < at + 2) {
      const fits = '\r\n'.startsWith(bytes.slice(at));
      return message(fits ? 'cut' : 'broken', bytes.length, 'in a chunk', { head, body });
    }
    if (bytes.slice(at, at + 2) !== '\r\n')
      return message('broken', at, 'no CRLF behind a chunk', { head, body });
    at += 2;
  }
}

function readTrailers(bytes: string, at: number, head: Head, body: string): Message {
  if (bytes.startsWith('\r\n', at)) return message('whole', at + 2, '', { head, body });
  const end = bytes.indexOf('\r\n\r\n', at);
  if (end === -1) return message('cut', bytes.length, 'in the trailers', { head, body });
  const trailers = readFields(bytes.slice(at, end).split('\r\n'));
  if (trailers === null) return message('broken', at, 'a broken trailer', { head, body });
  return message('whole', end + 4, '', { head, body, trailers });
}

/** All requests of a client's bytes, up to the first that is not whole, which comes last; none after a `close`. */
export function readRequests(bytes: string): Message[] {
  const requests: Message[] = [];
  for (let at = 0; at < bytes.length; ) {
    const request = readRequest(bytes, at, 'client');
    if (request.kind === 'cut' && request.head === null && /^[\r\n]*$/.test(bytes.slice(at))) break;
    requests.push(request);
    if (request.kind !== 'whole' || !persists(request.head!)) break;
    at = request.end;
  }
  return requests;
}

/** Section 9.3. `Proxy-Connection` counts for HTTP/1.0 only, as its old proxies meant it. */
export function persists(head: Head): boolean {
  const options = (name: string): string[] =>
    valuesOf(head, name).flatMap(value =>
      value
        .toLowerCase()
        .split(',')
        .map(option => option.trim()),
    );
  const connection = options('connection');
  if (head.minor === 0) return [...connection, ...options('proxy-connection')].includes('keep-alive');
  return !connection.includes('close');
}

/** The target as a replica gets it (section 3.2.2). */
export function originForm(target: string, method: string): string {
  const absolute = /^https?:\/\/[^/?#]*/i.exec(target);
  if (absolute === null) return target;
  const rest = target.slice(absolute[0].length);
  if (rest === '') return method === 'OPTIONS' ? '*' : '/';
  return rest.startsWith('/') ? rest : `/${rest}`;
}
