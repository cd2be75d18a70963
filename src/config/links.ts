// Variables that nobody wrote: Kubernetes sets some for every Service of the namespace, Docker's legacy links for every
// linked container, and where one is named torc (torc-admin, ...) they look like settings: TORC_PORT=tcp://10.96.0.10:5000,
// and TORC_ADMIN_PORT=tcp://... even has a setting's name. Known by the shape of name and value together, so that a
// misspelt setting stays a fault. Kubernetes: "Discovering services", environment variables; Docker: "Legacy container links".

import ipaddr from 'ipaddr.js';

const isEndpoint = (text: string): boolean => {
  const match = /^(?:tcp|udp|sctp):\/\/(\[.+\]|[^:]+):\d{1,5}$/i.exec(text);
  return match !== null && ipaddr.isValid(match[1]!.replace(/^\[|\]$/g, ''));
};
const isNumber = (text: string): boolean => /^\d{1,5}$/.test(text);

/** The end of the name, and what the value must be. */
const SHAPES: readonly (readonly [RegExp, (text: string) => boolean])[] = [
  [/_SERVICE_HOST$/, ipaddr.isValid],
  [/_SERVICE_PORT(_[A-Z0-9_]+)?$/, isNumber],
  [/_PORT$/, isEndpoint],
  [/_PORT_\d{1,5}_(TCP|UDP|SCTP)$/, isEndpoint],
  [/_PORT_\d{1,5}_(TCP|UDP|SCTP)_PROTO$/, text => /^(tcp|udp|sctp)$/i.test(text)],
  [/_PORT_\d{1,5}_(TCP|UDP|SCTP)_PORT$/, isNumber],
  [/_PORT_\d{1,5}_(TCP|UDP|SCTP)_ADDR$/, ipaddr.isValid],
];

/** Names of those among `env` whose name begins with TORC. */
export function linkVariables(env: Readonly<Record<string, string | undefined>>): ReadonlySet<string> {
  const ours = Object.entries(env).filter(([name]) => name.startsWith('TORC_'));
  const isLink = ([name, value = '']: readonly [string, string | undefined]): boolean =>
    SHAPES.some(([end, fits]) => end.test(name) && fits(value));
  const links = new Set(ours.filter(isLink).map(([name]) => name));
  // Docker also sets NAME=/us/alias and the linked container's own environment, known by the port beside them only.
  for (const port of [...links].filter(name => isEndpoint(env[name] ?? '') && name.endsWith('_PORT'))) {
    const alias = port.slice(0, -'PORT'.length);
    if (!/^\/[^/]+\/[^/]+$/.test(env[`${alias}NAME`] ?? '')) continue;
    links.add(`${alias}NAME`);
    for (const [name] of ours) if (name.startsWith(`${alias}ENV_`)) links.add(name);
  }
  return links;
}
