// A filtering socket proxy, as people put before an engine for programs that may only look: what is on its list goes through
// to the engine's own socket, everything else is answered 403 and kept, so that a test can say that nothing was tried.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ENGINE = '/var/run/docker.sock';

const ALLOWED = [
  /^\/_ping$/,
  /^\/version$/,
  /^\/containers\/json$/,
  /^\/containers\/[0-9a-f]{64}\/json$/,
  /^\/events$/,
  /^\/networks\/[0-9a-f]{64}$/,
];

export interface SocketProxy {
  /** For DOCKER_HOST. */
  readonly url: string;
  /** "POST /containers/create" */
  readonly refused: string[];
  /** How often each kind of call went through. */
  readonly passed: Record<string, number>;
  /** Ends every connection and takes none until `comeBack`: an engine that is away. */
  goAway(): void;
  comeBack(): Promise<void>;
  close(): void;
}

export async function socketProxy(): Promise<SocketProxy> {
  const path = join(tmpdir(), `torctest-${randomBytes(3).toString('hex')}.sock`);
  const refused: string[] = [];
  const passed: Record<string, number> = {};
  const server = createServer((asked, answer) => {
    const { method = '', url = '', headers } = asked;
    const target = url.split('?')[0]!.replace(/^\/v1\.\d+/, '');
    const rule = method === 'GET' || method === 'HEAD' ? ALLOWED.find(each => each.test(target)) : undefined;
    if (rule === undefined) {
      refused.push(`${method} ${target}`);
      answer.writeHead(403, { 'content-type': 'application/json' }).end('{"message":"not allowed here"}');
      return;
    }
    passed[String(rule)] = (passed[String(rule)] ?? 0) + 1;
    const forward = request({ socketPath: ENGINE, method, path: url, headers }, response => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      answer.flushHeaders();
      response.pipe(answer);
      response.on('error', () => answer.destroy());
    });
    forward.on('error', () => answer.destroy());
    answer.on('close', () => forward.destroy());
    asked.pipe(forward);
  });
  const listen = async (): Promise<void> => {
    server.listen(path);
    await once(server, 'listening');
  };
  await listen();
  const goAway = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return {
    url: `unix://${path}`,
    refused,
    passed,
    goAway,
    comeBack: listen,
    close: () => {
      goAway();
      rmSync(path, { force: true });
    },
  };
}
