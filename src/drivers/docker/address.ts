// Where the engine is, found as the docker command finds it, because people expect the same one: DOCKER_HOST, else the
// context that DOCKER_CONTEXT or the configuration names (Colima, rootless Docker and Docker Desktop are found by it), else
// the usual socket. DOCKER_HOST wins over DOCKER_CONTEXT, although Docker's documentation has it the other way round
// (docker/cli, resolveContextName; seen with 28). What the command does over ssh is its own program at the far end: torc
// would reach neither engine nor replicas that way, and says what does.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { StartError } from '../../core/errors.ts';

export interface EngineAddress {
  /** For people: "unix:///run/docker.sock (docker context colima)". */
  readonly words: string;
  /** Whole: dockerode would complete what is missing from the environment by itself. */
  readonly options: Docker.DockerOptions & { readonly agent?: Agent };
}

type Environment = Readonly<Record<string, string | undefined>>;

const USUAL_SOCKET = '/var/run/docker.sock';
const USUAL_PIPE = '//./pipe/docker_engine';
const PORT = 2375;
const TLS_PORT = 2376;
const ALLOWED = 'unix:///PATH, or tcp://HOST:PORT (with TLS: DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH)';

/** Throws StartError where the environment or the context says nothing that can be used. */
export function engineAddress(env: Environment = process.env, home = homedir()): EngineAddress {
  const config = env.DOCKER_CONFIG || join(home, '.docker');
  if (env.DOCKER_HOST) {
    const wantsTls = Boolean(env.DOCKER_TLS_VERIFY || env.DOCKER_TLS || env.DOCKER_CERT_PATH);
    return addressOf(env.DOCKER_HOST, 'DOCKER_HOST', env.DOCKER_HOST, url =>
      wantsTls || url.port === String(TLS_PORT)
        ? filesOf(env.DOCKER_CERT_PATH || config, ['cert', 'key'])
        : null,
    );
  }
  const context = env.DOCKER_CONTEXT || currentContext(config);
  return context === 'default' ? usualAddress(home) : contextAddress(config, context);
}

/** Docker Desktop's first, as dockerode has it: it is the user's own. */
function usualAddress(home: string): EngineAddress {
  if (process.platform === 'win32') return { words: `npipe:${USUAL_PIPE}`, options: socketAt(USUAL_PIPE) };
  const desktop = join(home, '.docker', 'run', 'docker.sock');
  const path = existsSync(desktop) ? desktop : USUAL_SOCKET;
  return { words: path, options: socketAt(path) };
}

const socketAt = (socketPath: string): Docker.DockerOptions => ({
  socketPath,
  // dockerode takes these from DOCKER_HOST where they are not given, and then asks there.
  host: undefined,
  port: undefined,
  protocol: 'http',
});

/** What the docker command uses; a configuration that cannot be read is told, not passed over as it does. */
function currentContext(config: string): string {
  const path = join(config, 'config.json');
  const text = readIfThere(path);
  if (text === null) return 'default';
  const { currentContext: name } = parse(text, path);
  return typeof name === 'string' && name !== '' ? name : 'default';
}

/** A context's files are named by the hash of its name. */
function contextAddress(config: string, name: string): EngineAddress {
  const id = createHash('sha256').update(name).digest('hex');
  const path = join(config, 'contexts', 'meta', id, 'meta.json');
  const text = readIfThere(path);
  if (text === null)
    throw new StartError(
      `docker context ${name} is not there (${path}): see docker context ls, or set DOCKER_HOST`,
    );
  const { Endpoints: endpoints } = parse(text, path) as {
    Endpoints?: { docker?: { Host?: string; SkipTLSVerify?: boolean } };
  };
  const { Host: host = '', SkipTLSVerify: isUnverified = false } = endpoints?.docker ?? {};
  const tls = join(config, 'contexts', 'tls', id, 'docker');
  return addressOf(host, `docker context ${name}`, `${host} (docker context ${name})`, () => {
    const files = existsSync(tls) ? filesOf(tls, ['ca', 'cert', 'key']) : null;
    if (!isUnverified) return files;
    return { ...files, agent: new Agent({ ...files, rejectUnauthorized: false }) };
  });
}

type Tls = Pick<Docker.DockerOptions, 'ca' | 'cert' | 'key'> & { readonly agent?: Agent };

/** `tlsOf` is asked where the engine is at a port: null is none. */
function addressOf(
  host: string,
  from: string,
  words: string,
  tlsOf: (url: URL) => Tls | null,
): EngineAddress {
  // As the docker command has it: without a scheme it is a host.
  const text = host.includes('://') ? host : `tcp://${host}`;
  if (host === '' || !URL.canParse(text))
    throw new StartError(`${from}: "${host}" is no address; allowed: ${ALLOWED}`);
  const url = new URL(text);
  switch (url.protocol) {
    case 'unix:':
      return { words, options: socketAt(text.slice('unix://'.length) || USUAL_SOCKET) };
    case 'npipe:':
      if (process.platform !== 'win32')
        throw new StartError(`${from}: ${host} is a pipe, which only Windows has; allowed: ${ALLOWED}`);
      return { words, options: socketAt(text.slice('npipe://'.length) || USUAL_PIPE) };
    case 'ssh:':
      throw new StartError(
        `${from}: ${host}: torc does not reach an engine over ssh, nor the replicas there. Run torc on that machine; or forward its socket, ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock ${url.username === '' ? '' : `${url.username}@`}${url.hostname}, and set DOCKER_HOST=unix:///tmp/docker.sock, where the replicas can be reached from here`,
      );
    case 'tcp:':
    case 'http:':
    case 'https:': {
      const tls = tlsOf(url) ?? (url.protocol === 'https:' ? {} : null);
      const port = url.port || (tls === null ? PORT : TLS_PORT);
      const protocol = tls === null ? 'http' : 'https';
      return { words, options: { ...tls, protocol, host: url.hostname, port } };
    }
    default:
      throw new StartError(`${from}: "${host}" is no address of an engine; allowed: ${ALLOWED}`);
  }
}

/** The certificate authority's, our own and its key; those that are `optional` where they are there. */
function filesOf(directory: string, optional: readonly ('ca' | 'cert' | 'key')[]): Tls {
  const files: { ca?: string; cert?: string; key?: string } = {};
  for (const name of ['ca', 'cert', 'key'] as const) {
    const path = join(directory, `${name}.pem`);
    const text = readIfThere(path);
    if (text !== null) files[name] = text;
    else if (!optional.includes(name))
      throw new StartError(
        `${path} is not there: the engine is asked over TLS, which takes ca.pem, and mostly cert.pem and key.pem, in DOCKER_CERT_PATH`,
      );
  }
  return files;
}

/** Null where there is no such file. */
function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new StartError(`${path} cannot be read (${code}): mend it, or set DOCKER_HOST`, { cause: error });
  }
}

function parse(text: string, path: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>;
  } catch {
    // told below
  }
  throw new StartError(`${path} is not JSON as docker writes it: mend it, or set DOCKER_HOST`);
}
