// One machine of a swarm that is only pretended: so many replicas on an address of its own (127.0.0.0/8), and the port that every
// engine listens on for its neighbours, with room for hardly anybody to wait. So it is silent when this process is stopped:
// what is open gets no answer, and when the room is full the kernel answers no new connection there either. Run as: node machine.ts
// ADDRESS COUNT; prints the ports as JSON; the end of its input is its end.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { GOSSIP_PORT } from '../../src/drivers/swarm/machine.ts';

const [host = '', count = ''] = process.argv.slice(2);
const ports: number[] = [];
for (let number = 0; number < Number(count); number++) {
  const server = createServer({ keepAliveTimeout: 75_000 }, (_request, response) => {
    response.writeHead(200, ['content-length', '0']);
    response.end();
  });
  server.listen(0, host);
  await once(server, 'listening');
  ports.push((server.address() as AddressInfo).port);
}
const gossip = createTcpServer(socket => socket.on('error', () => {}));
gossip.listen({ port: GOSSIP_PORT, host, backlog: 1 });
await once(gossip, 'listening');
process.stdin.resume();
process.stdin.on('end', () => process.exit());
process.stdout.write(`${JSON.stringify(ports)}\n`);
