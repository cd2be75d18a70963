// The Docker engine's API behind two promises: every call ends (dockerode waits for ever unless told otherwise, and a
// call whose answer stops half-way would never settle), and every failure says in plain words what was tried and what
// to do. Streams (events, a build) are quiet for long times, so they go through a second client without a timeout.
// Errors are told apart by code, never by text: texts differ between engines (measured on 20.10 and 26.1).

import Docker from 'dockerode';
import { StartError } from '../../core/errors.ts';
import { type EngineAddress, engineAddress } from './address.ts';

const CALL_TIMEOUT_MS = 10_000;
/** Creating a network interface for many containers at once takes seconds (five at once: 1.5 s on 2 cores). */
export const START_TIMEOUT_MS = 30_000;
const PING_TIMEOUT_MS = 1_000;
const START_ONE = 'start it, or say where it is with DOCKER_HOST or docker context use';
const CERTIFICATES =
  'see the files in DOCKER_CERT_PATH: ca.pem must have signed the engine, and its own authority cert.pem';
const ADVICE: Readonly<Record<string, string>> = {
  ENOENT: START_ONE,
  ECONNREFUSED: START_ONE,
  ENOTFOUND: 'see DOCKER_HOST: there is no such host',
  ECONNRESET: 'where it wants TLS: DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH',
};

/** `status` is the engine's HTTP answer; 0 where none came: then the engine is away. */
export class EngineError extends Error {
  readonly status: number;
  /** What to do about it when torc starts; '' where the message is all that is known. */
  readonly advice: string;
  constructor(message: string, status: number, cause: unknown, advice = '') {
    super(message, { cause });
    this.name = 'EngineError';
    this.status = status;
    this.advice = advice;
  }
}

interface RawError extends Error {
  readonly code?: string;
  readonly statusCode?: number;
  readonly json?: { readonly message?: string } | null;
}

export class Engine {
  readonly #calls: Docker;
  readonly #streams: Docker;
  /** For people. */
  readonly #address: string;

  /** The usual one, where it is not said which. */
  constructor({ options, words }: EngineAddress = engineAddress()) {
    this.#address = words;
    try {
      this.#calls = new Docker({ ...options, timeout: CALL_TIMEOUT_MS });
      this.#streams = new Docker(options);
    } catch (error) {
      throw new StartError(`DOCKER_HOST is wrong: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Where its published ports are: the host that it is reached at, if that is another machine. */
  get host(): string {
    const { host } = this.#calls.modem as { host?: string };
    return host === undefined || host === 'localhost' || host === '::1' ? '127.0.0.1' : host;
  }

  /** One call. `what` begins the message if it fails: "cannot start container 1234". */
  ask<T>(what: string, call: (docker: Docker) => Promise<T>, timeoutMs = CALL_TIMEOUT_MS): Promise<T> {
    const docker = timeoutMs > CALL_TIMEOUT_MS ? this.#streams : this.#calls;
    return this.#within(timeoutMs, what, call(docker));
  }

  /** One container, as the engine describes it. */
  inspect(id: string): Promise<Docker.ContainerInspectInfo> {
    return this.ask(`cannot look at container ${id.slice(0, 12)}`, docker =>
      docker.getContainer(id).inspect(),
    );
  }

  /** A call that has nothing left to do where the engine answers with one of these codes. */
  async askUnless(
    statuses: readonly number[],
    what: string,
    call: (docker: Docker) => Promise<unknown>,
    timeoutMs?: number,
  ): Promise<boolean> {
    try {
      await this.ask(what, call, timeoutMs);
      return true;
    } catch (error) {
      if (error instanceof EngineError && statuses.includes(error.status)) return false;
      throw error;
    }
  }

  /** Opens a stream; only its opening is bounded. */
  stream(
    what: string,
    open: (docker: Docker) => Promise<NodeJS.ReadableStream>,
  ): Promise<NodeJS.ReadableStream> {
    return this.#within(CALL_TIMEOUT_MS, what, open(this.#streams));
  }

  /** Name and platform go into the address and all else into the body: dockerode would put all of it, secrets too, into both. */
  create(what: string, { name, platform, ...body }: Docker.ContainerCreateOptions): Promise<unknown> {
    const _query = { name, ...(platform === undefined ? {} : { platform }) };
    const options: Docker.ContainerCreateOptions & { _query: object; _body: object } = {
      _query,
      _body: body,
    };
    return this.ask(what, docker => docker.createContainer(options));
  }

  /** A call that the engine answers when something happens, however late. */
  async wait(call: (docker: Docker) => Promise<unknown>): Promise<void> {
    try {
      await call(this.#streams);
    } catch (error) {
      throw inWords('cannot wait', this.#address, error as RawError);
    }
  }

  ping(timeoutMs = CALL_TIMEOUT_MS): Promise<unknown> {
    return this.#within(timeoutMs, 'cannot ask the engine', this.#calls.ping());
  }

  async #within<T>(timeoutMs: number, what: string, call: Promise<T>): Promise<T> {
    const at = this.#address;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const text = `the Docker engine at ${at} did not answer within ${timeoutMs} ms`;
        reject(new EngineError(text, 0, undefined));
      }, timeoutMs);
    });
    try {
      return await Promise.race([call, late]);
    } catch (error) {
      throw error instanceof EngineError ? error : inWords(what, at, error as RawError);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Null when an engine answers at once, else why not, and what to do. */
export async function pingEngine(): Promise<string | null> {
  try {
    await new Engine().ping(PING_TIMEOUT_MS);
    return null;
  } catch (error) {
    return atStart(error as Error);
  }
}

export const atStart = (error: Error): string =>
  error instanceof EngineError && error.advice !== '' ? `${error.message}: ${error.advice}` : error.message;

function inWords(what: string, at: string, error: RawError): EngineError {
  const { statusCode, code = '' } = error;
  if (statusCode !== undefined) {
    const said = error.json?.message ?? error.message;
    return new EngineError(`${what}: ${said.trim()}`, statusCode, error);
  }
  const words: Readonly<Record<string, string>> = {
    EACCES: `no permission for the Docker engine at ${at}: add this user to the group that owns it (usually docker), or run with TORC_DRIVER=process`,
    ENOENT: `no Docker engine answers at ${at}`,
    ECONNREFUSED: `no Docker engine answers at ${at}`,
    ECONNRESET: `the Docker engine at ${at} closed the connection`,
    EPIPE: `the Docker engine at ${at} closed the connection`,
  };
  const isTls = /^ERR_(SSL|TLS)_|CERT|VERIFY/.test(code);
  const message = words[code] ?? `${what}: ${isTls ? 'TLS: ' : ''}${error.message} (Docker engine at ${at})`;
  return new EngineError(message, 0, error, isTls ? CERTIFICATES : (ADVICE[code] ?? ''));
}
