// The floor over TLS: a node:http2 server that speaks HTTP/1.1 too (node:https) and only answers. Run as:
// node bare-tls.ts PORT REPLICA_PORTS (which it ignores) KEY CERTIFICATE.

import { readFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import { answer } from './answer.ts';

const [, , port, , key = '', cert = ''] = process.argv;
const pem = { key: readFileSync(key), cert: readFileSync(cert) };
createSecureServer({ ...pem, allowHTTP1: true }, answer).listen(Number(port), '127.0.0.1');
