// The settings of the public listeners -> the list of addresses that torc listens on. One place, because the primary
// claims them, workers listen on them, and both must mean the same.

import type { Address } from '../core/address.ts';
import type { Config } from './fields.ts';

/** In the order in which they are told; the first is the one that the banner names. */
export function addressesOf({ host, port, httpsPort, httpsRedirect }: Config): readonly Address[] {
  if (httpsPort === null) return [{ host, port, tls: false, redirect: null }];
  return [
    { host, port, tls: false, redirect: httpsRedirect === 0 ? httpsPort : httpsRedirect },
    { host, port: httpsPort, tls: true, redirect: null },
  ];
}
