// The settings of the public listeners -> the list of addresses that torc listens on. One place, because the primary
// claims them, workers listen on them, and both must mean the same.

import type { Address } from '../core/address.ts';
import type { Config } from './fields.ts';

/** In the order in which they are told; the first is the one that the banner names. */
export function addressesOf({ host, port, listen, httpsPort, httpsRedirect }: Config): readonly Address[] {
  const redirect = httpsPort === null ? null : httpsRedirect === 0 ? httpsPort : httpsRedirect;
  const plain = { tls: false, redirect };
  const addresses =
    listen.length === 0
      ? [{ host, port, mode: 0, setting: 'PORT', ...plain }]
      : listen.map(address => ({
          ...address,
          setting: 'TORC_LISTEN',
          ...plain,
          // Who comes in by a unix socket is a proxy of this machine, which sends people on itself.
          ...(address.port === 0 && { redirect: null }),
        }));
  if (httpsPort === null) return addresses;
  return [
    ...addresses,
    { host, port: httpsPort, mode: 0, setting: 'TORC_HTTPS_PORT', tls: true, redirect: null },
  ];
}
