// The floor: a bare node:http server that only answers. Run as: node bare.ts PORT REPLICA_PORTS (which it ignores).

import { createServer } from 'node:http';
import { answer } from './answer.ts';

createServer(answer).listen(Number(process.argv[2]), '127.0.0.1');
