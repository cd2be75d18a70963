// A socket in front of the engine's, to take the engine away from a torc without touching anybody else's.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ENGINE_SOCKET = '/var/run/docker.sock';

export interface Relay {
  /** For DOCKER_HOST. */
  readonly address: string;
  /** Cuts every connection; new ones are taken. */
  cut(): void;
  /** Cuts, and takes no new ones. */
  close(): Promise<void>;
  listen(): Promise<void>;
  remove(): Promise<void>;
}

export async function openRelay(): Promise<Relay> {
  const directory = mkdtempSync(join(tmpdir(), 'torctest-'));
  const path = join(directory, 'engine.sock');
  const sockets = new Set<Socket>();
  let server: Server | null = null;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const close = async (): Promise<void> => {
    const closed = new Promise(resolve => (server === null ? resolve(null) : server.close(resolve)));
    cut();
    await closed;
    server = null;
    if (existsSync(path)) rmSync(path);
  };
  const listen = (): Promise<void> =>
    new Promise(resolve => {
      server = createServer(client => {
        const engine = connect(ENGINE_SOCKET);
        for (const socket of [client, engine]) {
          sockets.add(socket);
          socket.on('error', () => {});
          socket.on('close', () => {
            sockets.delete(socket);
            client.destroy();
            engine.destroy();
          });
        }
        client.pipe(engine).pipe(client);
      }).listen(path, () => resolve());
    });
  await listen();
  const remove = async (): Promise<void> => {
    await close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { address: `unix://${path}`, cut, close, listen, remove };
}
