// Which certificate a client gets: the one that has the name it asks for (SNI, RFC 6066 section 3), exactly, else by a
// wildcard, which stands for one label alone (RFC 6125 section 6.4.3). Of two with one name the first in the list.

export class ServerNames<T> {
  readonly #exact = new Map<string, T>();
  /** By what follows the `*`. */
  readonly #wildcards = new Map<string, T>();

  add(names: readonly string[], what: T): void {
    for (const name of names) {
      const isWildcard = name.startsWith('*.');
      const known = isWildcard ? this.#wildcards : this.#exact;
      const key = (isWildcard ? name.slice(1) : name).toLowerCase();
      if (!known.has(key)) known.set(key, what);
    }
  }

  find(serverName: string): T | null {
    const name = serverName.toLowerCase();
    const dot = name.indexOf('.');
    return this.#exact.get(name) ?? (dot > 0 ? this.#wildcards.get(name.slice(dot)) : null) ?? null;
  }
}
