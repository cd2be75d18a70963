// What torc agrees to when it speaks TLS: Mozilla's intermediate profile, version 5.7 (https://ssl-config.mozilla.org/guidelines/),
// in the form that Mozilla gives for servers without DHE: its exchange costs a server several times a client's effort
// (CVE-2002-20001), and each client that the profile names can do ECDHE. Before its groups stands the hybrid one with
// ML-KEM, which browsers ask for first: what is recorded today is not to be read when somebody has a quantum computer.

import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

const SUITES = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];

export const PROFILE = {
  minVersion: 'TLSv1.2',
  ciphers: SUITES.join(':'),
  ecdhCurve: 'X25519MLKEM768:X25519:prime256v1:secp384r1',
  // The client knows whether it has AES in hardware.
  honorCipherOrder: false,
  // Node lets a client renegotiate three times in ten minutes; nobody needs it, and each is a handshake's price.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
} as const satisfies SecureContextOptions;
