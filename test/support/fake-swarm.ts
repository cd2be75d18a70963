// A manager's API over one service, as a server on a unix socket: what the swarm driver reads and writes, with the answers that
// real managers give without a leader, behind the version, or not at all (measured on 20.10 and 26.1). Several of them may
// share one swarm. What Swarm itself makes of a write (tasks) is the test's to say.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineAddress } from '../../src/drivers/docker/address.ts';
import { Engine } from '../../src/drivers/docker/engine.ts';
import type {
  SwarmFile,
  SwarmNode,
  SwarmService,
  SwarmServiceSpec,
  SwarmTask,
} from '../../src/drivers/swarm/objects.ts';

/** `hang`: no answer; `leaderless`: 500; `worker`: 503; `lossy`: writes happen, and are answered 500. */
export type Mood = 'well' | 'hang' | 'leaderless' | 'worker' | 'lossy';

export class FakeSwarm {
  service: SwarmService;
  isRemoved = false;
  tasks: SwarmTask[] = [];
  nodes: SwarmNode[] = [];
  secrets: SwarmFile[] = [];
  configs: SwarmFile[] = [];
  /** What engines tell each other of tasks, whatever managers do: "3 t7 10.0.1.7 10.9.0.2", slot, id, address, its machine's. */
  gossip: string[] = [];
  writeCount = 0;
  /** Before each write: somebody else's. */
  beforeWrite: () => void = () => {};
  /** After it: what Swarm makes of it. */
  onWrite: (spec: SwarmServiceSpec) => void = () => {};
  /** Who listens to events. */
  readonly listeners = new Set<ServerResponse>();

  constructor(spec: SwarmServiceSpec) {
    this.service = { ID: 'service-1', Version: { Index: 1 }, Spec: spec };
  }

  write(spec: SwarmServiceSpec): void {
    this.writeCount++;
    this.service = { ...this.service, Version: { Index: this.service.Version.Index + 1 }, Spec: spec };
    this.onWrite(spec);
    for (const listener of this.listeners)
      listener.write(
        `${JSON.stringify({ Type: 'service', Action: 'update', Actor: { ID: 'service-1' } })}\n`,
      );
  }
}

export interface FakeManager {
  readonly url: string;
  readonly engine: Engine;
  mood: Mood;
  /** Method and address of what was asked. */
  readonly asked: string[];
  close(): void;
}

export async function fakeManager(swarm: FakeSwarm): Promise<FakeManager> {
  const folder = mkdtempSync(join(tmpdir(), 'torc-fake-swarm-'));
  const path = join(folder, 'docker.sock');
  const asked: string[] = [];
  const answer = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const server = createServer(async (request, response) => {
    const { method = '', url = '' } = request;
    asked.push(`${method} ${url}`);
    const body = await textOf(request);
    const { mood } = manager;
    if (url.startsWith('/networks/ov-id?')) return answer(response, 200, gossiped(swarm));
    if (mood === 'hang') return;
    if (mood === 'leaderless')
      return answer(response, 500, { message: 'rpc error: The swarm does not have a leader' });
    if (mood === 'worker') return answer(response, 503, { message: 'This node is not a swarm manager' });
    const { pathname, searchParams } = new URL(url, 'http://fake');
    const isService = /^\/services\/(web|service-1)$/.test(pathname);
    if (method === 'GET' && isService && !swarm.isRemoved) return answer(response, 200, swarm.service);
    if (method === 'DELETE' && isService) {
      swarm.isRemoved = true;
      return answer(response, 200, {});
    }
    if (method === 'POST' && pathname === '/services/create') {
      swarm.write(JSON.parse(body) as SwarmServiceSpec);
      swarm.isRemoved = false;
      return answer(response, 201, { ID: swarm.service.ID });
    }
    if (method === 'GET' && pathname === '/events') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      swarm.listeners.add(response);
      response.on('close', () => swarm.listeners.delete(response));
      return;
    }
    if (method === 'GET' && pathname === '/secrets') return answer(response, 200, swarm.secrets);
    if (method === 'GET' && pathname === '/configs') return answer(response, 200, swarm.configs);
    if (method === 'GET' && pathname === '/tasks') return answer(response, 200, swarm.tasks);
    if (method === 'GET' && pathname === '/nodes') return answer(response, 200, swarm.nodes);
    if (method === 'POST' && pathname === '/services/service-1/update') {
      swarm.beforeWrite();
      if (Number(searchParams.get('version')) !== swarm.service.Version.Index)
        return answer(response, 500, { message: 'rpc error: code = Unknown desc = update out of sequence' });
      swarm.write(JSON.parse(body) as SwarmServiceSpec);
      return mood === 'lossy'
        ? answer(response, 500, { message: 'rpc error: node lost leader status' })
        : answer(response, 200, { Warnings: null });
    }
    return answer(response, 404, { message: `${method} ${url}: not found` });
  });
  await new Promise<void>(resolve => server.listen(path, resolve));
  const url = `unix://${path}`;
  const manager: FakeManager = {
    url,
    engine: new Engine(engineAddress({ DOCKER_HOST: url })),
    mood: 'well',
    asked,
    close() {
      server.closeAllConnections();
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return manager;
}

function gossiped({ gossip }: FakeSwarm): object {
  const Tasks = gossip.map(text => {
    const [slot, id, EndpointIP, address] = text.split(' ');
    return { Name: `web.${slot}.${id}`, EndpointIP, Info: { 'Host IP': address } };
  });
  return { Id: 'ov-id', Driver: 'overlay', Services: { web: { Tasks } } };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

export const SPEC: SwarmServiceSpec = {
  Name: 'web',
  Labels: {},
  TaskTemplate: { ContainerSpec: { Image: 'app:1' }, Placement: {} },
  Mode: { Replicated: { Replicas: 3 } },
  EndpointSpec: { Ports: [{ Protocol: 'tcp', TargetPort: 8080, PublishMode: 'host' }] },
};

export const node = (id: string, state = 'ready', availability = 'active'): SwarmNode => ({
  ID: id,
  Description: { Hostname: `host-${id}` },
  Spec: { Availability: availability },
  Status: { State: state, Addr: `10.9.0.${id.slice(1)}` },
});

/** "5 t1 n1": slot, id, node; `more` says what is unusual. Made later where its id is. */
export function task(text: string, more: Partial<SwarmTask> = {}): SwarmTask {
  const [slot = '', id = '', nodeId = ''] = text.split(' ');
  return {
    ID: id,
    CreatedAt: `2026-11-30T16:00:0${id.slice(1)}Z`,
    Slot: Number(slot),
    NodeID: nodeId,
    DesiredState: 'running',
    Spec: { ContainerSpec: { Image: 'app:1@sha256:00aa' } },
    Status: {
      State: 'running',
      PortStatus: { Ports: [{ TargetPort: 8080, PublishedPort: 30_000, PublishMode: 'host' }] },
    },
    NetworksAttachments: [
      { Network: { ID: 'ov-id', Spec: { Name: 'ov' } }, Addresses: [`10.0.1.${id.slice(1)}/24`] },
    ],
    ...more,
  };
}
