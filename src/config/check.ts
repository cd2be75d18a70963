// Faults that settings make together, each of them right by itself. Called when every setting was read, so that these come
// at once with the faults of single settings; a setting that could not be read is undefined here and contradicts nothing.

import { type Config, fields } from './fields.ts';

export function checkTogether(config: Config, faults: string[]): void {
  if (config.driver === 'static' && config.upstreams?.length === 0) {
    faults.push(
      'TORC_UPSTREAMS: is empty, and TORC_DRIVER=static needs it; allowed: host:port,host:port,...',
    );
  }
  if (config.upstreams?.length > 0 && (config.driver === 'docker' || config.driver === 'process')) {
    faults.push(
      `TORC_UPSTREAMS: is for TORC_DRIVER=static, not ${config.driver}; allowed: unset one of the two`,
    );
  }
  if (config.heartbeatPath === '' && config.driver !== 'static' && config.upstreams?.length === 0) {
    faults.push(
      'TORC_HEARTBEAT_PATH: is empty; allowed: a path that starts with "/" (empty only with TORC_DRIVER=static)',
    );
  }
  checkScaling(config, faults);
  checkAdmin(config, faults);
  if (config.key?.length === 0) faults.push(`TORC_KEY: is empty; allowed: ${fields.key.allowed}`);
}

function checkAdmin({ adminListen, adminPort, adminPaths }: Config, faults: string[]): void {
  const isSocket = adminListen?.startsWith('unix:') === true;
  if (isSocket && adminPort !== null)
    faults.push(
      'TORC_ADMIN_PORT: a unix socket (TORC_ADMIN_LISTEN) has no port; allowed: unset one of the two',
    );
  if (typeof adminListen === 'string' && !isSocket && adminPort === null)
    faults.push(
      'TORC_ADMIN_LISTEN: is an address without a port; allowed: TORC_ADMIN_PORT beside it, or unix:PATH',
    );
  if (adminPaths === 'separate' && adminPort === null && !isSocket)
    faults.push(
      'TORC_ADMIN_PATHS: separate needs a listener of its own; allowed: TORC_ADMIN_PORT or TORC_ADMIN_LISTEN=unix:PATH beside it',
    );
}

function checkScaling({ least, most, replicas, driver, upstreams }: Config, faults: string[]): void {
  if (most === null || most === undefined) return;
  if (driver === 'static' || upstreams?.length > 0)
    faults.push('TORC_MAX: given upstreams cannot be scaled; allowed: unset one of the two');
  if (least > most) faults.push(`TORC_MIN: ${least} is more than TORC_MAX=${most}; allowed: at most as many`);
  else if (replicas < least || replicas > most)
    faults.push(`TORC_REPLICAS: ${replicas} is not from TORC_MIN=${least} to TORC_MAX=${most}`);
}
