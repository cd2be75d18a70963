// What the engine, and the kernel beside it, know of one container from inside: its own health check, whether it prints, where
// it listens. The kernel is asked only for a process that is this container's: seen from another container the same number
// is somebody else's process, or nobody's. Then there is what the image says of itself.

import { readFile } from 'node:fs/promises';
import type { ContainerHealth, Listening, Replica } from '../../control/driver.ts';
import { listenersOf, listeningOf } from '../listening.ts';
import { plainOutput } from './container.ts';
import type { Engine } from './engine.ts';
import { tcpPortsOf } from './ports.ts';

/** The engine's own name server, in every container of a network that somebody made. */
const ENGINE_DNS = '127.0.0.11';

export async function healthOf(engine: Engine, { id }: Replica): Promise<ContainerHealth | null> {
  const { State } = await engine.inspect(id);
  const status = State.Health?.Status;
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : null;
}

/** When it printed last, by the engine's time stamp of the last line. */
export async function outputMarkOf(engine: Engine, { id, label }: Replica): Promise<string> {
  try {
    const last = await engine.ask(`cannot read the log of container ${label}`, docker =>
      docker.getContainer(id).logs({ stdout: true, stderr: true, tail: 1, timestamps: true, follow: false }),
    );
    return plainOutput(last).split(' ')[0] ?? '';
  } catch {
    return '';
  }
}

/** `port` is the one that torc asks: it is exposed because torc said so. */
export async function containerListening(engine: Engine, { id }: Replica, port: number): Promise<Listening> {
  try {
    const { State, Config } = await engine.inspect(id);
    const isHere = (await readFile(`/proc/${State.Pid}/cgroup`, 'utf8').catch(() => '')).includes(id);
    const listeners = isHere ? await listenersOf(State.Pid) : null;
    if (listeners !== null)
      return listeningOf(
        port,
        listeners.filter(({ host }) => host !== ENGINE_DNS),
      );
    const exposed = tcpPortsOf(Config.ExposedPorts).filter(each => each !== port);
    const sockets = exposed.map(each => ({ host: '', port: each }));
    return { port, sockets: sockets.length > 0 ? sockets : null, isDeclared: true };
  } catch {
    return { port, sockets: null, isDeclared: false };
  }
}
