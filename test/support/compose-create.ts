// Docker Compose beside torc: runs it on a folder with a project name of its own, and hands over the canonical form of a
// service as torc's driver takes it, straight from `docker compose config --format json`, with none of torc's own loading in
// between.

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ServiceProject } from '../../src/service/service.ts';

const TIMEOUT_MS = 60_000;

export interface ComposeRun {
  readonly folder: string;
  readonly project: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Those that Compose takes where none is named. */
export const filesOf = ({ folder }: ComposeRun): string[] =>
  readdirSync(folder)
    .filter(name => /^(docker-)?compose(\.override)?\.ya?ml$/.test(name))
    .sort((a, b) => a.length - b.length);

/** What it printed on both streams; throws with it where it fails. */
export function compose({ folder, project, env }: ComposeRun, args: readonly string[]): string {
  try {
    return execFileSync(
      'sh',
      ['-c', 'exec docker compose "$@" 2>&1', 'sh', '--project-name', project, ...args],
      { cwd: folder, env: { ...process.env, ...env }, encoding: 'utf8', timeout: TIMEOUT_MS },
    );
  } catch (error) {
    const { stdout = '', message } = error as Error & { stdout?: string };
    throw new Error(`docker compose ${args.join(' ')}: ${stdout || message}`);
  }
}

interface Printed {
  readonly name: string;
  readonly services: Readonly<Record<string, ServiceProject['service']>>;
  readonly networks?: ServiceProject['networks'];
  readonly volumes?: ServiceProject['volumes'];
  readonly secrets?: ServiceProject['secrets'];
  readonly configs?: ServiceProject['configs'];
}

/** Compose's own reading of a service. What service.ts has otherwise than it prints is put right. */
export function canonicalService(run: ComposeRun, serviceName: string): ServiceProject {
  const printed = JSON.parse(
    execFileSync('docker', ['compose', '--project-name', run.project, 'config', '--format', 'json'], {
      cwd: run.folder,
      env: { ...process.env, ...run.env },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: TIMEOUT_MS,
    }),
    (_, value) => (typeof value === 'string' ? value.replaceAll('$$', '$') : value),
  ) as Printed;
  const service = printed.services[serviceName]!;
  const withContent = (files: ServiceProject['secrets'] = {}): ServiceProject['secrets'] =>
    Object.fromEntries(
      Object.entries(files).map(([key, file]) => [
        key,
        file.environment === undefined ? file : { ...file, content: run.env[file.environment] ?? '' },
      ]),
    );
  return {
    name: printed.name,
    serviceName,
    service: {
      ...service,
      ...(service.volumes === undefined
        ? {}
        : {
            volumes: service.volumes.map(volume => ({
              ...volume,
              ...(volume.type === 'bind'
                ? { bind: { ...volume.bind, create_host_path: volume.bind?.create_host_path ?? false } }
                : {}),
            })),
          }),
      ...(service.security_opt === undefined
        ? {}
        : {
            security_opt: service.security_opt.map(option =>
              option.replace(/^seccomp[=:](?=\.)(.+)$/, (_, path) => `seccomp=${resolve(run.folder, path)}`),
            ),
          }),
    },
    networks: printed.networks ?? {},
    volumes: printed.volumes ?? {},
    secrets: withContent(printed.secrets),
    configs: withContent(printed.configs),
  };
}
