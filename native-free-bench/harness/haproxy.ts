// HAProxy's configuration as a peer of torc's: the same hash over the same key, connections kept, no limit of its own that a
// client of the bench would meet. One text for all scenarios, so that they measure one HAProxy.

export interface HaproxySettings {
  readonly port: number;
  readonly replicaPorts: readonly number[];
  readonly threads: number;
  /** Behind the address it listens on: certificate and protocols. */
  readonly listenWords?: string;
  /** Lines of `global` that a scenario needs beside. */
  readonly global?: readonly string[];
}

export function haproxyConfig(settings: HaproxySettings): string {
  const { port, replicaPorts, threads, listenWords = '', global = [] } = settings;
  const servers = replicaPorts.map((replica, i) => `  server s${i + 1} 127.0.0.1:${replica}`);
  return `global
  nbthread ${threads}
  maxconn 10100
  no strict-limits
${global.map(line => `  ${line}\n`).join('')}defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 30s
  option forwardfor
frontend f
  bind 127.0.0.1:${port}${listenWords}
  default_backend b
backend b
  balance url_param request_id
  hash-type consistent
  http-reuse always
${servers.join('\n')}
`;
}
