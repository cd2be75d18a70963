// The settings of the public listeners -> the list of addresses that torc listens on. One place, because the primary
// claims them, workers listen on them, and both must mean the same.

import type { Address } from '../core/address.ts';
import type { Config } from './fields.ts';

/** In the order in which they are told; the first is the one that the banner names. */
export const addressesOf = ({ host, port }: Config): readonly Address[] => [{ host, port, tls: false }];
