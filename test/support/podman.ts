// Podman for a test: its service on a socket in a directory of the test, with a store of its own. All of it runs in a network
// and a mount namespace of its own, together with the test file itself: two engines that write one machine's firewall rules
// get into each other's way, and nothing is left when the namespaces end.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import Docker from 'dockerode';
import { waitFor } from './wait.ts';

const BASE_IMAGE = 'node:26-slim';
const INSIDE = 'TORC_TEST_PODMAN';

/**
 * A limit that the machine's own does not allow would keep every container from starting; so does crun where one controller
 * alone is in cgroup v2. runc is there, since Docker's engine is.
 */
const CONFIGURATION = `
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
`;

/** Why Podman cannot be tested here; null where it can. */
export function whyNot(): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'namespaces take root on Linux';
  for (const [program, flag] of [
    ['podman', '--version'],
    ['unshare', '--version'],
    ['ip', '-Version'],
  ] as const)
    if (spawnSync(program, [flag]).status !== 0) return `${program} is not installed`;
  return null;
}

/** Runs the file once more in namespaces of its own and ends with its exit code; comes back where it is in them already. */
export function enterNamespaces(file: string): void {
  if (process.env[INSIDE] !== undefined) return;
  const directory = mkdtempSync(join(tmpdir(), 'torctest-'));
  const command = ['ip link set lo up && exec "$@"', 'sh', process.execPath, file];
  const { status } = spawnSync('unshare', ['--net', '--mount', 'sh', '-c', ...command], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: directory },
  });
  rmSync(directory, { recursive: true, force: true });
  process.exit(status ?? 1);
}

export interface Podman {
  readonly url: string;
  readonly docker: Docker;
  close(): void;
}

/** `engine` has the base image, which no registry is asked for. */
export async function startPodman(engine: Docker): Promise<Podman> {
  const directory = process.env[INSIDE]!;
  const configuration = join(directory, 'containers.conf');
  writeFileSync(configuration, CONFIGURATION);
  const env = { ...process.env, CONTAINERS_CONF: configuration };
  const store = ['root', 'runroot'].flatMap(name => {
    mkdirSync(join(directory, name));
    return [`--${name}`, join(directory, name)];
  });
  const archive = join(directory, 'base.tar');
  await pipeline(await engine.getImage(BASE_IMAGE).get(), createWriteStream(archive));
  const loaded = spawnSync('podman', [...store, 'load', '-i', archive], { env, encoding: 'utf8' });
  if (loaded.status !== 0) throw new Error(`podman load: ${loaded.stderr}`);
  rmSync(archive);
  const socketPath = join(directory, 'podman.sock');
  const url = `unix://${socketPath}`;
  const service: ChildProcess = spawn('podman', [...store, 'system', 'service', '--time=0', url], {
    env,
    stdio: 'ignore', // without systemd it tells of each health check that it cannot make
  });
  const docker = new Docker({ socketPath });
  const answers = (): Promise<boolean> =>
    docker.ping().then(
      () => true,
      () => false,
    );
  await waitFor(answers, { timeoutMs: 30_000, what: 'the Podman service' });
  return {
    url,
    docker,
    close() {
      spawnSync('podman', [...store, 'rm', '--all', '--force', '--time', '0'], { env });
      service.kill();
    },
  };
}
