// A name server on a real socket (UDP, and TCP for what was truncated), whose answers a test changes while it runs: A, AAAA
// and SRV records with a TTL, and the ways in which servers fail. RFC 1035 section 4, RFC 2782.

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import ipaddr from 'ipaddr.js';

const TYPES = { A: 1, AAAA: 28, SRV: 33 } as const;
const MOST_TRIES = 20;
const RCODES = { SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

export type Record =
  | { readonly address: string }
  | { readonly target: string; readonly port: number; readonly priority?: number };

/** What a name has, or how the server fails. `truncated`: over UDP nothing but the wish for TCP; `silent`: no answer. */
export type Zone = readonly Record[] | keyof typeof RCODES | 'truncated' | 'silent';

export interface NameServer {
  /** `127.0.0.1:port`, for TORC_DNS_SERVERS. */
  readonly address: string;
  /** By name, in small letters; `NAME TYPE` goes before it. Names that are not here do not exist. */
  readonly zones: Map<string, Zone>;
  ttlS: number;
  /** `NAME TYPE`, as they came. */
  readonly asked: string[];
  /** Answers that went over TCP. */
  tcpCount: number;
  close(): Promise<void>;
}

export const addresses = (...list: string[]): Record[] => list.map(address => ({ address }));

export async function nameServer(zones: { [name: string]: Zone } = {}): Promise<NameServer> {
  const { udp, tcp, port } = await bothOnOnePort();
  const server: NameServer = {
    address: `127.0.0.1:${port}`,
    zones: new Map(Object.entries(zones)),
    ttlS: 60,
    asked: [],
    tcpCount: 0,
    close: async () => {
      udp.close();
      tcp.close();
      await once(tcp, 'close');
    },
  };
  udp.on('message', (message, peer) => {
    const answer = reply(server, message, false);
    if (answer) udp.send(answer, peer.port, peer.address);
  });
  tcp.on('connection', socket => {
    let pending = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      if (pending.length < 2 || pending.length < 2 + pending.readUInt16BE(0)) return;
      const answer = reply(server, pending.subarray(2), true);
      server.tcpCount++;
      if (answer) socket.end(Buffer.concat([word(answer.length), answer]));
    });
  });
  return server;
}

/** What is free for UDP may be another test's for TCP. */
async function bothOnOnePort(): Promise<{ udp: Socket; tcp: Server; port: number }> {
  for (let tries = 1; ; tries++) {
    const udp = createSocket('udp4');
    udp.bind(0, '127.0.0.1');
    await once(udp, 'listening');
    const { port } = udp.address();
    const tcp = createServer();
    tcp.listen(port, '127.0.0.1');
    try {
      await once(tcp, 'listening');
      return { udp, tcp, port };
    } catch (error) {
      udp.close();
      if (tries === MOST_TRIES) throw error;
    }
  }
}

const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
};

const encodeName = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').map(label => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);

function reply(server: NameServer, query: Buffer, isTcp: boolean): Buffer | null {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at++]!; length > 0; length = query[at++]!) {
    labels.push(query.subarray(at, at + length).toString());
    at += length;
  }
  const type = query.readUInt16BE(at);
  const question = query.subarray(12, at + 4);
  const name = labels.join('.').toLowerCase();
  const typeName = Object.entries(TYPES).find(([, number]) => number === type)?.[0] ?? String(type);
  server.asked.push(`${name} ${typeName}`);
  let zone: Zone | undefined = server.zones.get(`${name} ${typeName}`) ?? server.zones.get(name);
  if (zone === 'silent') return null;
  const isCut = zone === 'truncated' && !isTcp;
  if (zone === 'truncated') zone = server.zones.get(`${name} tcp`);
  const rcode =
    zone === undefined ? RCODES.NXDOMAIN : typeof zone === 'string' ? RCODES[zone as 'SERVFAIL'] : 0;
  const found =
    Array.isArray(zone) && !isCut ? (zone as Record[]).filter(record => typeOf(record) === type) : [];
  const flags = word(0x8180 | (isCut ? 0x0200 : 0) | rcode);
  const head = [query.subarray(0, 2), flags, word(1), word(found.length), word(0), word(0)];
  const records = found.map(record => {
    const data = dataOf(record);
    const ttl = Buffer.alloc(4);
    ttl.writeUInt32BE(server.ttlS);
    return Buffer.concat([word(0xc00c), word(type), word(1), ttl, word(data.length), data]);
  });
  return Buffer.concat([...head, question, ...records]);
}

const typeOf = (record: Record): number =>
  'target' in record ? TYPES.SRV : record.address.includes(':') ? TYPES.AAAA : TYPES.A;

const dataOf = (record: Record): Buffer =>
  'target' in record
    ? Buffer.concat([word(record.priority ?? 0), word(1), word(record.port), encodeName(record.target)])
    : Buffer.from(ipaddr.parse(record.address).toByteArray());
