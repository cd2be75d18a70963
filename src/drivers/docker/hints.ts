// What an engine's event means for a replica, as a pure function. `kill` with a signal that ends programs is the earliest
// word of a death (16 ms after the call, `die` follows 30 to 130 ms later), so routing may leave at once. SIGSTOP, SIGUSR1
// and the like end nothing; what an image's own STOPSIGNAL is, does. An `oom` alone may have met a child of a replica
// that lives on, and the order of `die` and `network disconnect` differs between engines: neither is leaned on.

import { constants } from 'node:os';
import type { DriverEvent } from '../../control/driver.ts';
import type { EngineMessage } from './events.ts';

export const NETWORK_LABEL = 'torc.network';
/** The instance that made it (drivers/instance.ts): the network's label alone could be anybody's. */
export const OWNER_LABEL = 'torc.owner';

const ENDING = new Set(['SIGINT', 'SIGQUIT', 'SIGABRT', 'SIGKILL', 'SIGTERM']);
const signalNames = new Map(
  Object.entries(constants.signals).map(([name, number]) => [String(number), name]),
);

/** The hint for replicas of `network`, or null: another's container, or nothing that matters here. */
export function hintOf(
  message: EngineMessage,
  network: string,
  owner: string,
  stopSignals: ReadonlySet<string>,
): DriverEvent | null {
  const { ID, Attributes } = message.Actor;
  if (message.Type === 'network') {
    const { container = '', name } = Attributes;
    if (message.Action !== 'disconnect') return null;
    // Podman names the container where Docker has the network, and not which network it was.
    if (container === '') return { kind: 'changed', replicaId: ID, cause: 'network disconnect' };
    if (name !== network) return null;
    // Its connections are not even reset: as good as dead for every request that waits on it.
    return { kind: 'gone', replicaId: container, cause: 'docker network disconnect' };
  }
  if (Attributes[NETWORK_LABEL] !== network || Attributes[OWNER_LABEL] !== owner) return null;
  const meaning = meaningOf(message, stopSignals);
  return meaning === null ? null : { ...meaning, replicaId: ID };
}

/** What a container's event means for a replica, whoever made it; null: nothing. */
export function meaningOf(
  { Action, Actor: { Attributes } }: EngineMessage,
  stopSignals: ReadonlySet<string>,
): Omit<DriverEvent, 'replicaId'> | null {
  const hint = (kind: DriverEvent['kind'], cause: string) => ({ kind, cause });
  switch (Action) {
    case 'kill': {
      if (Attributes.signal === undefined) return hint('changed', 'podman kill'); // it does not say which
      const signal = signalNames.get(Attributes.signal ?? '') ?? `signal ${Attributes.signal}`;
      return ENDING.has(signal) || stopSignals.has(signal) ? hint('going', `docker kill, ${signal}`) : null;
    }
    case 'died':
    case 'die':
      return hint('gone', `docker die, ${exitInWords(Number(Attributes.exitCode))}`);
    case 'remove':
    case 'destroy':
      return hint('gone', 'docker destroy, the container was removed');
    case 'oom':
      return hint('going', 'docker oom, out of memory');
    case 'health_status: unhealthy':
      return hint('unhealthy', "docker health_status, the image's health check fails");
    case 'pause':
    case 'unpause':
      return hint('changed', `docker ${Action}`);
    default:
      return null;
  }
}

/** "exit code 137 (SIGKILL)": a shell's and Docker's way to say that a signal ended it. */
export function exitInWords(exitCode: number): string {
  if (!Number.isInteger(exitCode)) return 'exit code unknown';
  const signal = exitCode > 128 ? signalNames.get(String(exitCode - 128)) : undefined;
  return signal === undefined ? `exit code ${exitCode}` : `exit code ${exitCode} (${signal})`;
}
