// The short forms of a Compose file, each read into its long one: "8080:80/udp", "./data:/data:ro", "/dev/null:/dev/x:rw",
// "name=value", "sh -c 'a b'". Words are split as Compose splits them (quotes and backslashes, no shell); there what stands
// unquoted behind ; & | < > is dropped without a word, so here it is a fault.

import { asText, shown } from './scalars.ts';
import { fault, isMap, type Place, type Shape } from './shape.ts';

const PORT_SPEC =
  /^(?:(?:(\[[0-9a-fA-F:.%]+\]|[0-9.]*):)?(\d+(?:-\d+)?)?:)?(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i;

/** Each container port on its own, a range of host ports spread over them. */
export function portsOf(value: unknown, at: Place): unknown[] | undefined {
  const written = asText(value) ?? '';
  const match = PORT_SPEC.exec(written);
  const [, host, published, from = '', to = from, protocol = 'tcp'] = match ?? [];
  const first = Number(from);
  const count = Number(to) - first + 1;
  if (match === null || first < 1 || count < 1 || Number(to) > 65535)
    return fault(
      at,
      `${shown(value)} is not a port; allowed: 80, 8080:80, 127.0.0.1:8080:80/tcp, 8000-8010:8000-8010`,
    );
  const [hostFrom, hostTo = hostFrom] = published?.split('-') ?? [];
  const spread = Number(hostTo) - Number(hostFrom) + 1;
  if (published !== undefined && count > 1 && spread !== count)
    return fault(at, `${shown(value)}: ${spread} host ports for ${count} container ports`);
  return Array.from({ length: count }, (_, index) => ({
    mode: 'ingress',
    ...(host === undefined || host === '' ? {} : { host_ip: host.replace(/^\[|\]$/g, '') }),
    target: first + index,
    ...(published === undefined
      ? {}
      : { published: count === 1 ? published : String(Number(hostFrom) + index) }),
    protocol: protocol.toLowerCase(),
  }));
}

const PROPAGATIONS = ['rprivate', 'private', 'rshared', 'shared', 'rslave', 'slave'];

export function volumeOf(spec: string, at: Place): unknown {
  const parts = spec.split(':');
  if (parts.length > 3 || parts.some(part => part === ''))
    return fault(
      at,
      `${shown(spec)} is not a volume; allowed: NAME:/path, ./folder:/path:ro, or the long form`,
    );
  const [source, target = source!, options] = parts;
  const isBind = parts.length > 1 && /^[./~]/.test(source!);
  const volume: Record<string, unknown> = { type: isBind ? 'bind' : 'volume' };
  if (parts.length > 1) volume.source = isBind ? at.resolve(source!) : source;
  volume.target = target;
  const details: Record<string, unknown> = isBind ? { create_host_path: true } : {};
  for (const option of options?.split(',') ?? []) {
    if (option === 'ro') volume.read_only = true;
    else if (option === 'nocopy' && !isBind) details.nocopy = true;
    else if (isBind && PROPAGATIONS.includes(option)) details.propagation = option;
    else if (isBind && /^[zZ]$/.test(option)) details.selinux = option;
    else if (!/^(rw|nocopy|[zZ]|cached|delegated|consistent)$/.test(option))
      fault(
        at,
        `${shown(spec)}: "${option}" is no option of a volume; allowed: ro, rw, nocopy, z, Z, ${PROPAGATIONS.join(', ')}`,
      );
  }
  volume[isBind ? 'bind' : 'volume'] = details;
  return volume;
}

export function deviceOf(spec: string, at: Place): unknown {
  const [source = '', target = source, permissions = 'rwm', ...more] = spec.split(':');
  if (source === '' || more.length > 0)
    return fault(at, `${shown(spec)} is not a device; allowed: /dev/x:/dev/y:rwm`);
  return { source, target: target === '' ? source : target, permissions };
}

/** "NAME=value" or "NAME" each, or a map; `missing` is what NAME alone means. */
export function pairsOf(
  value: unknown,
  at: Place,
  missing: string | null,
): [string, string | null][] | undefined {
  if (isMap(value))
    return Object.entries(value).map(([name, part]) => {
      const written = part === null ? missing : asText(part);
      if (written === undefined)
        fault(
          { ...at, path: [...at.path, name] },
          `${shown(part)} is not one value; allowed: text, a number, true, false`,
        );
      return [name, written ?? null];
    });
  if (!Array.isArray(value)) return fault(at, `${shown(value)} is neither a map nor a list of NAME=value`);
  return value.flatMap((one, index): [string, string | null][] => {
    const written = asText(one);
    if (written === undefined) {
      fault({ ...at, path: [...at.path, index] }, `${shown(one)} is not NAME=value`);
      return [];
    }
    const equals = written.indexOf('=');
    if (equals === -1) return [[written, missing]];
    const name = written.slice(0, equals);
    if (/\s$/.test(name))
      fault({ ...at, path: [...at.path, index] }, `"${name}" ends in a space; allowed: NAME=value`);
    return [[name, written.slice(equals + 1)]];
  });
}

/** Sorted "name=address", each address once. */
export function hostsOf(value: unknown, at: Place): string[] | undefined {
  const isList = Array.isArray(value);
  if (!isList && !isMap(value))
    return fault(at, `${shown(value)} is neither a map nor a list of NAME=ADDRESS`);
  const pairs: [string, unknown][] = isList
    ? value.map((one): [string, unknown] => {
        const [, name = '', address = ''] = /^([^=:]*)[=:](.*)$/.exec(String(one)) ?? [];
        return [name, address.split(',')];
      })
    : Object.entries(value as object);
  const hosts = pairs.flatMap(([name, addresses]) =>
    [addresses].flat().map(address => `${name}=${String(address ?? '').replace(/^\[(.*)\]$/, '$1')}`),
  );
  const wrong = hosts.find(host => /^=|=$/.test(host) || /^[^=]*:/.test(host));
  if (wrong !== undefined) return fault(at, `${shown(wrong)} is not a host; allowed: NAME=ADDRESS`);
  return [...new Set(hosts)].sort();
}

export function wordsOf(line: string, at: Place): string[] | undefined {
  const words: string[] = [];
  let word = '';
  let isWord = false;
  let quote = '';
  for (let index = 0; index < line.length; index++) {
    const char = line[index]!;
    if (char === '\\' && quote !== "'") {
      const next = line[++index];
      if (next === undefined) return fault(at, `${shown(line)} ends in a backslash`);
      word += next === 't' ? '\t' : next === 'n' ? '\n' : next;
      isWord = true;
    } else if (quote !== '') {
      if (char === quote) quote = '';
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      isWord = true;
    } else if (/\s/.test(char)) {
      if (isWord) words.push(word);
      word = '';
      isWord = false;
    } else if (/[;&|<>()`]/.test(char)) {
      return fault(
        at,
        `${shown(line)} has ${char} for a shell, and none runs it; allowed: ["sh", "-c", "..."]`,
      );
    } else {
      word += char;
      isWord = true;
    }
  }
  if (quote !== '') return fault(at, `${shown(line)} has no second ${quote}`);
  return isWord ? [...words, word] : words;
}

/** A map, or a list of NAME=value. */
const pairs = (missing: string | null): Shape => ({
  read: (value, at) => {
    if (value === null || value === undefined) return undefined;
    const read = pairsOf(value, at, missing);
    return read && Object.fromEntries(read);
  },
  merge: (base, over) => ({ ...(base as object), ...(over as object) }),
});
export const environment = pairs(null);
export const mapping = pairs('');
