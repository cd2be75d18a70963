// New TLS connections, one after the other on each of a few lines: handshake, one GET, close. Either all are full, or each
// resumes the session of the line's first one, which is made before the clock starts; each connection says which it was,
// and the other kind is an error. Node's own TLS is dear for a generator, but what is measured is the target's CPU time.

import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { type HandshakeJob, type LoadResult, requestText } from './job.ts';
import { Latencies } from './latencies.ts';

const LINES = 8;
const CLOSE = 'Connection: close\r\n';

export async function handshakes(job: HandshakeJob): Promise<LoadResult> {
  const { hostname: host, port } = new URL(job.url);
  const options: ConnectionOptions = {
    ...{ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] },
    ...{ ciphers: 'TLS_AES_128_GCM_SHA256', ecdhCurve: 'X25519', minVersion: 'TLSv1.3' },
  };
  const latencies = new Latencies();
  let [requests, errors, index] = [0, 0, 0];
  const sessions = await Promise.all(Array.from({ length: LINES }, () => once(options, 0)));
  const startMs = performance.now();
  const endMs = startMs + job.seconds * 1000;
  const line = async (session: Buffer | undefined): Promise<void> => {
    while (performance.now() < endMs) {
      const fromMs = performance.now();
      const { status, resumed } = await once(job.resumed ? { ...options, session } : options, index++);
      latencies.record((performance.now() - fromMs) * 1000);
      if (status === 200 && resumed === job.resumed) requests++;
      else errors++;
    }
  };
  await Promise.all(sessions.map(({ session }) => line(session)));
  return {
    ...{ requests, errors, unanswered: 0, wrong: null, perReplica: [], lateP99Us: 0 },
    seconds: (performance.now() - startMs) / 1000,
    latencies: latencies.toText(),
  };
}

interface Once {
  /** 0 where none came. */
  readonly status: number;
  readonly resumed: boolean;
  readonly session: Buffer | undefined;
}

function once(options: ConnectionOptions, index: number): Promise<Once> {
  return new Promise(resolve => {
    let session: Buffer | undefined;
    let answer = '';
    let resumed = false;
    const socket: TLSSocket = connect(options, () => {
      resumed = socket.isSessionReused();
      socket.write(requestText(index, '', CLOSE));
    });
    socket.on('session', given => {
      session = given;
    });
    socket.on('data', chunk => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve({ status: Number(answer.slice(9, 12)), resumed, session }));
  });
}
