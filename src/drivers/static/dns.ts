// Questions to name servers: addresses of a name with their TTL, the servers behind an SRV name. Asked directly (c-ares), as
// the system's own lookup tells no TTL and may cache; but that one knows /etc/hosts, search domains and whatever else a
// machine is set up with, so a name that name servers do not know is looked up there too. One channel for each question:
// its servers are read anew each time (resolv.conf changes), and nothing is cached in it.
// What is not an address answer is an error: the callers keep what they knew.

import { type LookupAddress, lookup } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Turns } from '../../core/turns.ts';

/** For one question with all its repetitions. */
const ASK_MS = 4_000;
const TRY_MS = 1_500;
/** The system's lookup holds one of four threads of the process, for as long as it likes. */
const LOOKUPS_AT_ONCE = 2;

export interface Addresses {
  readonly addresses: readonly string[];
  /** Infinity where it is not known. */
  readonly ttlMs: number;
}

export interface Service {
  readonly target: string;
  readonly port: number;
}

/** What names.ts asks; a test's fake answers it too. */
export interface NameService {
  /** `known`: what it had before; those of a family that cannot be asked now are taken from there. Rejects in plain words. */
  addresses(host: string, known: readonly string[]): Promise<Addresses>;
  /** Those of the best priority (RFC 2782). Rejects in plain words. */
  services(name: string): Promise<readonly Service[]>;
  /** As a connection to it would find them. Rejects in plain words. */
  lookup(host: string): Promise<readonly string[]>;
}

const words: Readonly<Record<string, string>> = {
  ENOTFOUND: 'no such name',
  ENODATA: 'the name has no such records',
  ESERVFAIL: 'the name server failed (SERVFAIL)',
  EREFUSED: 'the name server refused to answer',
  ETIMEOUT: 'no answer from the name server',
  ECANCELLED: `no answer from the name server within ${ASK_MS} ms`,
  ECONNREFUSED: 'no name server answers there',
  EAI_AGAIN: 'the name cannot be looked up now',
};

export class Dns implements NameService {
  readonly #servers: readonly string[];
  readonly #lookups = new Turns(LOOKUPS_AT_ONCE);

  /** `servers`: none are the system's. */
  constructor(servers: readonly string[]) {
    this.#servers = servers;
  }

  async addresses(host: string, known: readonly string[]): Promise<Addresses> {
    const [four, six] = await this.#ask(resolver =>
      Promise.allSettled([resolver.resolve4(host, { ttl: true }), resolver.resolve6(host, { ttl: true })]),
    );
    const records = [four, six].flatMap(family => (family.status === 'fulfilled' ? family.value : []));
    if (records.length > 0) {
      const kept = known.filter(address => isUnknown(isIPv6(address) ? six : four));
      const addresses = [...new Set([...records.map(record => record.address), ...kept])];
      return {
        addresses: reachable(addresses, hasIpv6()),
        ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000,
      };
    }
    const failed = [four, six].filter(family => family.status === 'rejected');
    const reason = inWords((failed.find(isUnknown) ?? failed[0])?.reason);
    if (this.#servers.length > 0) throw new Error(reason);
    const addresses = await this.lookup(host).catch(() => []);
    if (addresses.length === 0) throw new Error(reason);
    return { addresses: reachable(addresses, hasIpv6()), ttlMs: Number.POSITIVE_INFINITY };
  }

  async services(name: string): Promise<readonly Service[]> {
    const [answer] = await this.#ask(resolver => Promise.allSettled([resolver.resolveSrv(name)]));
    if (answer.status === 'rejected') throw new Error(inWords(answer.reason));
    const best = Math.min(...answer.value.map(({ priority }) => priority));
    // A target "." says that there is no such service.
    return answer.value
      .filter(({ priority, name: target }) => priority === best && target !== '' && target !== '.')
      .map(({ name: target, port }) => ({ target: target.toLowerCase().replace(/\.$/, ''), port }));
  }

  async lookup(host: string): Promise<readonly string[]> {
    await this.#lookups.take();
    try {
      const found = await new Promise<LookupAddress[]>((resolve, reject) =>
        lookup(host, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses))),
      );
      return found.map(({ address }) => address);
    } catch (error) {
      throw new Error(inWords(error));
    } finally {
      this.#lookups.give();
    }
  }

  async #ask<T>(question: (resolver: Resolver) => Promise<T>): Promise<T> {
    const resolver = new Resolver({ timeout: TRY_MS, tries: 2 });
    if (this.#servers.length > 0) resolver.setServers(this.#servers);
    const timer = setTimeout(() => resolver.cancel(), ASK_MS);
    try {
      return await question(resolver);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Failed, and not because there are none. */
function isUnknown(result: PromiseSettledResult<unknown>): boolean {
  if (result.status === 'fulfilled') return false;
  const { code } = result.reason as NodeJS.ErrnoException;
  return code !== 'ENODATA' && code !== 'ENOTFOUND';
}

function inWords(reason: unknown): string {
  const { code = '', message = 'no answer' } = (reason ?? {}) as NodeJS.ErrnoException;
  return words[code] ?? message;
}

/** As the system's lookup does (AI_ADDRCONFIG): IPv6 only where this machine has some, or where there is nothing else. */
export function reachable(addresses: readonly string[], hasIpv6: boolean): readonly string[] {
  const rest = addresses.filter(address => hasIpv6 || !isIPv6(address) || address === '::1');
  return rest.length > 0 ? rest : addresses;
}

const hasIpv6 = (): boolean =>
  Object.values(networkInterfaces()).some(own =>
    own?.some(
      ({ family, internal, address }) => family === 'IPv6' && !internal && !/^fe[89ab]/i.test(address),
    ),
  );
