// The settings: defaults, flags, and every fault at once with the setting's name and what is allowed.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fields } from '../../src/config/fields.ts';
import { loadConfig, settingsHelp } from '../../src/config/load.ts';
import { serverIds, upstreamList } from '../../src/config/upstreams.ts';

const configuration = suite('config');

function config(env: Record<string, string> = {}, argv: string[] = []) {
  const loaded = loadConfig(env, argv);
  if (loaded.kind !== 'config') throw new Error(JSON.stringify(loaded));
  return loaded.config;
}

function faults(env: Record<string, string>, argv: string[] = []): readonly string[] {
  const loaded = loadConfig(env, argv);
  return loaded.kind === 'faults' ? loaded.faults : [];
}

configuration("the defaults are the contract's", () => {
  const { host, port, driver, replicas, key, ringRows, heartbeatPath, retries, servedBy, adminToken } =
    config();
  assert.equal(
    {
      host,
      port,
      driver,
      replicas,
      key: key.map(({ text }) => text),
      ringRows,
      heartbeatPath,
      retries,
      servedBy,
      adminToken,
    },
    {
      host: '127.0.0.1',
      port: 5000,
      driver: 'auto',
      replicas: 3,
      key: ['query:request_id', 'path'],
      ringRows: 65536,
      heartbeatPath: null,
      retries: 2,
      servedBy: true,
      adminToken: null,
    },
  );
});

configuration('a flag is the same as its variable, and wins over it', () => {
  assert.is(config({ TORC_REPLICAS: '4' }, ['--replicas', '5']).replicas, 5);
  assert.is(config({}, ['--heartbeat-path=/up']).heartbeatPath, '/up');
  assert.is(config({}, ['--port', '8080']).port, 8080);
});

configuration('every fault comes at once, with the name, what is wrong and what is allowed', () => {
  const found = faults({ TORC_REPLICAS: 'x', TORC_DRIVER: 'podman', PORT: '70000', TORC_RING_ROWS: '1000' });
  assert.is(found.length, 4);
  for (const name of ['TORC_REPLICAS', 'TORC_DRIVER', 'PORT', 'TORC_RING_ROWS']) {
    assert.ok(
      found.some(fault => fault.startsWith(`${name}: `) && fault.includes('allowed: ')),
      `${name} in ${found}`,
    );
  }
});

configuration('an unknown TORC_ name is a fault with the nearest name', () => {
  assert.match(faults({ TORC_REPLICA: '3' })[0]!, 'did you mean TORC_REPLICAS?');
  // Its value is no fault of its own; what stands elsewhere is.
  assert.equal(faults({}, ['--replcas', '3']), [
    '--replcas: is no setting of torc; did you mean --replicas?',
  ]);
  assert.is(faults({}, ['--replcas=3', '4']).length, 2);
  assert.is(faults({}, ['--replcas', '--workers', '1', '4']).length, 2);
  assert.equal(faults({ TORC_TEST_DOCKER: 'require' }), []);
});

configuration('settings that contradict each other are faults', () => {
  assert.match(faults({ TORC_DRIVER: 'static' })[0]!, 'TORC_UPSTREAMS');
  assert.match(faults({ TORC_UPSTREAMS: 'a:1', TORC_DRIVER: 'docker' })[0]!, 'TORC_UPSTREAMS');
  assert.match(faults({ TORC_HEARTBEAT_PATH: '' })[0]!, 'TORC_HEARTBEAT_PATH');
  assert.is(config({ TORC_UPSTREAMS: 'a:1,[::1]:2', TORC_HEARTBEAT_PATH: '' }).upstreams.length, 2);
});

configuration('the setting that one driver alone reads decides for it', () => {
  for (const [env, driver, by] of [
    [{}, 'auto', undefined],
    [{ TORC_REPLICAS: '5', TORC_SPARES: '1' }, 'auto', undefined],
    [{ TORC_IMAGE: 'app:1' }, 'docker', 'TORC_IMAGE'],
    [{ TORC_IMAGE: 'torc-replica' }, 'docker', 'TORC_IMAGE'],
    [{ TORC_NETWORK: 'torc' }, 'docker', 'TORC_NETWORK'],
    [{ TORC_REPLICA_COMMAND: 'node app.js' }, 'process', 'TORC_REPLICA_COMMAND'],
    [{ TORC_UPSTREAMS: 'a:1' }, 'static', 'TORC_UPSTREAMS'],
    [{ TORC_UPSTREAMS: 'a:1', TORC_DRIVER: 'static' }, 'static', undefined],
    [{ TORC_IMAGE: '', TORC_REPLICA_COMMAND: '' }, 'auto', undefined],
  ] as const) {
    const loaded = loadConfig(env, []);
    if (loaded.kind !== 'config') throw new Error(JSON.stringify(loaded));
    assert.equal([loaded.config.driver, loaded.meant?.by], [driver, by], JSON.stringify(env));
  }
});

configuration('a setting that the driver does not read is a fault, each of them', () => {
  assert.equal(faults({ TORC_DRIVER: 'process', TORC_NETWORK: 'n', TORC_IMAGE: 'app:1' }), [
    'TORC_IMAGE: is read by TORC_DRIVER=docker or swarm only, and this is process; allowed: unset one of the two',
    'TORC_NETWORK: is read by TORC_DRIVER=docker only, and this is process; allowed: unset one of the two',
  ]);
  assert.equal(faults({ TORC_IMAGE: 'app:1' }, ['--replica-command', 'node app.js']), [
    'TORC_REPLICA_COMMAND: is read by TORC_DRIVER=process only, and this is docker (TORC_IMAGE is set); allowed: unset one of the two',
  ]);
  assert.equal(faults({ TORC_UPSTREAMS: 'a:1', TORC_REPLICAS: '2' }), [
    'TORC_REPLICAS: is read by TORC_DRIVER=docker or process or swarm only, and this is static (TORC_UPSTREAMS is set); allowed: unset one of the two',
  ]);
  assert.equal(faults({ TORC_DRIVER: 'process', TORC_NETWORK: '', TORC_UPSTREAMS: '' }), []);
});

const serviceLinks = (name: string, address: string): Record<string, string> => ({
  [`${name}_SERVICE_HOST`]: address.replace(/[[\]]/g, ''),
  [`${name}_SERVICE_PORT`]: '5000',
  [`${name}_SERVICE_PORT_HTTP`]: '5000',
  [`${name}_PORT`]: `tcp://${address}:5000`,
  [`${name}_PORT_5000_TCP`]: `tcp://${address}:5000`,
  [`${name}_PORT_5000_TCP_PROTO`]: 'tcp',
  [`${name}_PORT_5000_TCP_PORT`]: '5000',
  [`${name}_PORT_5000_TCP_ADDR`]: address.replace(/[[\]]/g, ''),
});

configuration('variables of a Service named torc are no settings, whatever else it is called', () => {
  const env = {
    ...serviceLinks('TORC', '10.96.0.10'),
    ...serviceLinks('TORC_ADMIN', '[fd00::a]'),
    ...serviceLinks('TORC_REPLICA', '10.96.0.11'),
  };
  const loaded = loadConfig(env, []);
  if (loaded.kind !== 'config') throw new Error(JSON.stringify(loaded));
  const { adminPort, replicaPort, driver } = loaded.config;
  assert.equal([adminPort, replicaPort, driver], [null, null, 'auto']);
  assert.equal([...loaded.passedOver].sort(), Object.keys(env).sort());
  assert.is(config({ ...env, TORC_ADMIN_PORT: '5001' }).adminPort, 5001, 'what somebody wrote himself');
});

configuration('a legacy link named torc is none either', () => {
  const link = { TORC_PORT: 'tcp://172.17.0.2:80', TORC_NAME: '/web/torc', TORC_ENV_NODE_VERSION: '26' };
  assert.equal(faults(link), []);
  assert.is(faults({ TORC_NAME: '/web/torc', TORC_ENV_NODE_VERSION: '26' }).length, 2, 'without its port');
});

configuration('what only looks a little like a Service is a fault still', () => {
  for (const env of [
    { TORC_PORT: '5000' },
    { TORC_PORT: 'tcp://torc:5000' },
    { TORC_SERVICE_HOST: 'torc.default' },
    { TORC_SERVICE: '10.96.0.10' },
    { TORC_ADMIN_PORT: 'tcp://10.96.0.10' },
    { TORC_PORT_5000_TCP_NAME: 'http' },
  ] as Record<string, string>[])
    assert.is(faults(env).length, 1, JSON.stringify(env));
});

configuration(
  'HTTP/2 to the replicas: whom it is spoken to is said, and gRPC is asked of nobody else',
  () => {
    const h2c = { TORC_REPLICA_PROTOCOL: 'h2c' };
    assert.match(faults(h2c)[0]!, 'TORC_REPLICA_PROTOCOL: h2c, and the demo program speaks HTTP/1.1');
    for (const more of [
      { TORC_REPLICA_COMMAND: 'x' },
      { TORC_IMAGE: 'x' },
      { TORC_UPSTREAMS: 'a:1' },
      { TORC_FOLLOW: 'label:a=b' },
    ])
      assert.equal(faults({ ...h2c, ...more } as Record<string, string>), []);
    const grpc = { TORC_REPLICA_COMMAND: 'x', TORC_HEARTBEAT_MODE: 'grpc' };
    assert.match(faults(grpc)[0]!, 'allowed: TORC_REPLICA_PROTOCOL=h2c beside it');
    assert.equal(faults({ ...grpc, ...h2c }), []);
    assert.match(faults({ ...grpc, ...h2c, TORC_HEARTBEAT_PATH: '/x' })[0]!, 'is not asked with');
  },
);

configuration('heartbeats: statuses as ranges; what a mode does not ask is refused', () => {
  assert.equal(config({ TORC_HEARTBEAT_STATUS: '200-299,401' }).heartbeatStatus, [
    { from: 200, to: 299 },
    { from: 401, to: 401 },
  ]);
  for (const text of ['100', '299-200', '200-', 'ok', '200-600'])
    assert.match(faults({ TORC_HEARTBEAT_STATUS: text })[0]!, `has a wrong part "${text}"`);
  assert.match(faults({ TORC_HEARTBEAT_MODE: 'exec' })[0]!, /HEALTHCHECK, and set docker; allowed: http/);
  assert.match(faults({ TORC_HEARTBEAT_MODE: 'docker', TORC_DRIVER: 'process' })[0]!, 'child processes');
  assert.match(faults({ TORC_HEARTBEAT_MODE: 'docker', TORC_UPSTREAMS: 'a:1' })[0]!, 'are given');
  assert.match(faults({ TORC_HEARTBEAT_PORT: '81', TORC_DRIVER: 'process' })[0]!, 'TORC_HEARTBEAT_PORT');
  assert.equal(
    faults({ TORC_HEARTBEAT_MODE: 'docker', TORC_HEARTBEAT_PORT: '81', TORC_HEARTBEAT_PATH: '/x' }).length,
    2,
  );
  assert.equal(faults({ TORC_HEARTBEAT_MODE: 'tcp', TORC_HEARTBEAT_PORT: '81' }), []);
  assert.equal(faults({ TORC_HEARTBEAT_HOST: 'app.example:8080' }), []);
  assert.match(faults({ TORC_HEARTBEAT_HOST: 'a b' })[0]!, 'is not a host');
});

configuration('given upstreams: every wrong one is named, and what two of them make together', () => {
  const fault = (text: string): string => faults({ TORC_UPSTREAMS: text })[0] ?? 'none';
  for (const [text, ...words] of [
    ['a:1,b', '"b" has no port'],
    ['a:1,b:0,c:x,:1', '"b:0" has the port "0"', '"c:x"', '":1" has no host'],
    ['::1:80', 'stands in brackets'],
    ['[::g]:80', 'has no IPv6 address'],
    ['a b:1', '"a b", which cannot be one'],
    ['a:1;color=red', 'where only ;name=, ;weight=, ;id='],
    ['a:1;weight=0', 'has the weight "0", which is not a whole number, 1 to 256'],
    ['a:1;weight=257', 'has the weight "257"'],
    ['a:1;id=x', 'has the id "x"'],
    ['a:1;id=7,b:1;id=7', 'has two upstreams of the id 7'],
    ['dns:a:1;id=7', 'which is one server'],
    ['a:1;name=x y', 'has the name "x y"'],
    ['a:1;name=x;name=y', 'has two ;name='],
    ['dns:10.0.0.1:80', 'leave dns: out'],
    ['dns:web', '"dns:web" has no port'],
    ['srv:', 'is no srv:NAME'],
    ['a:1,b:1,A:1', 'names a:1 twice'],
    ['[::1]:1,[0::1]:1', 'names [::1]:1 twice'],
    ['a:1;name=x,b:1;name=X', 'two upstreams of the name X'],
    ['dns:web:1,dns:WEB:1', 'names dns:web:1 twice'],
  ] as const) {
    for (const word of words) assert.match(fault(text), word);
    assert.match(fault(text), 'allowed: host:port, http://host');
  }
});

configuration(
  'given upstreams are called by their address, whatever its spelling, or by the given name',
  () => {
    const text =
      'Web_1.internal:80, [0:0::1]:81 ,10.0.0.1:82 ; name=a,dns:Tasks.Web.:83,srv:_http._tcp.web;name=b';
    assert.equal(
      config({ TORC_UPSTREAMS: text }).upstreams.map(({ kind, host, port, name }) => [
        kind,
        host,
        port,
        name,
      ]),
      [
        ['host', 'web_1.internal', 80, 'web_1.internal:80'],
        ['host', '::1', 81, '[::1]:81'],
        ['host', '10.0.0.1', 82, 'a'],
        ['dns', 'tasks.web.', 83, 'tasks.web:83'],
        ['srv', '_http._tcp.web', 0, 'b'],
      ],
    );
  },
);

configuration('a file of upstreams is instead of a list', () => {
  assert.match(faults({ TORC_UPSTREAMS: 'a:1', TORC_UPSTREAMS_FILE: 'f' })[0]!, 'unset one of the two');
  assert.match(
    faults({ TORC_DRIVER: 'docker', TORC_UPSTREAMS_FILE: 'f' })[0]!,
    'TORC_UPSTREAMS_FILE: is read',
  );
  assert.match(faults({ TORC_DRIVER: 'static' })[0]!, 'or TORC_UPSTREAMS_FILE');
  assert.is(config({ TORC_UPSTREAMS_FILE: 'f', TORC_HEARTBEAT_PATH: '' }).driver, 'static');
});

configuration('name servers are addresses', () => {
  const servers = (text: string): Record<string, string> => ({
    TORC_UPSTREAMS: 'dns:a:1',
    TORC_DNS_SERVERS: text,
  });
  assert.equal(config(servers('10.0.0.2,127.0.0.1:8600,[::1]:53,::1,[::1]')).dnsServers, [
    '10.0.0.2',
    '127.0.0.1:8600',
    '[::1]:53',
    '::1',
    '::1',
  ]);
  for (const wrong of ['ns.example', '10.0.0', '10.0.0.2:0', '10.0.0.2:99999', '[::1]:'])
    assert.match(faults(servers(wrong))[0]!, `"${wrong}"`);
});

configuration('lists name the part that is wrong', () => {
  assert.match(faults({ TORC_KEY: 'query:a,heder:b' })[0]!, '"heder:b"');
  assert.match(faults({ TORC_TRUSTED_PROXIES: '10.0.0.0/8,10.0.0.0/33' })[0]!, '"10.0.0.0/33"');
});

configuration("given upstreams: HAProxy's ids, as it counts them", () => {
  const ids = (text: string): (number | undefined)[] => {
    const upstreams = upstreamList.schema.parse(text);
    const byName = serverIds(upstreams);
    return upstreams.map(({ name }) => byName.get(name));
  };
  assert.equal(ids('a:1,b:1,c:1'), [1, 2, 3]);
  assert.equal(ids('a:1;id=2,b:1,c:1'), [2, 3, 4]);
  assert.equal(ids('a:1,b:1;id=1,c:1'), [2, 1, 4]);
  assert.equal(ids('a:1,dns:x:1,c:1'), [1, undefined, 3]);
});

configuration('given upstreams: what the ring does not know is named', () => {
  const wordsOf = (ring: string, text: string): string =>
    faults({ TORC_DRIVER: 'static', TORC_RING: ring, TORC_UPSTREAMS: text })[0] ?? 'none';
  assert.match(wordsOf('seed', 'a:1;weight=2'), 'which TORC_RING=seed does not know');
  assert.is(wordsOf('seed', 'a:1;weight=1'), 'none');
  assert.is(wordsOf('rendezvous', 'a:1;weight=2'), 'none');
  assert.match(wordsOf('nginx', 'a:1;id=2'), 'allowed with TORC_RING=haproxy');
  assert.is(wordsOf('haproxy', 'a:1;id=2;weight=3'), 'none');
});

configuration('autoscaling: bounds that make no sense together are named', () => {
  assert.equal(faults({ TORC_MAX: '2', TORC_MIN: '3' }).length, 1);
  assert.match(faults({ TORC_MAX: '2' })[0]!, 'TORC_REPLICAS: 3');
  assert.match(faults({ TORC_MAX: '5', TORC_UPSTREAMS: 'a:1' })[0]!, 'TORC_MAX: is read by');
  assert.equal(faults({ TORC_MAX: '5', TORC_MIN: '2' }), []);
});

configuration('no text makes the loader throw', () => {
  const texts = [
    '',
    ' ',
    ',',
    '\0',
    '-1',
    '1e3',
    '0x10',
    '９',
    'a'.repeat(100_000),
    '__proto__',
    '{}',
    '%00',
    '::',
    '[',
    '1.2.3',
  ];
  for (const field of Object.values(fields)) {
    for (const text of texts) {
      loadConfig({ [field.name]: text }, []);
      loadConfig({}, [text, `--${text}`, `--port=${text}`]);
    }
  }
});

configuration('--help lists every setting', () => {
  for (const field of Object.values(fields)) assert.match(settingsHelp(), field.name);
});

configuration('where to listen: addresses, sockets and their modes', () => {
  const listen = (text: string): unknown => config({ TORC_LISTEN: text }).listen;
  assert.equal(listen(''), []);
  assert.equal(listen('0.0.0.0:80, [::]:80,localhost:81'), [
    { host: '0.0.0.0', port: 80, mode: 0 },
    { host: '::', port: 80, mode: 0 },
    { host: 'localhost', port: 81, mode: 0 },
  ]);
  assert.equal(listen('unix:/run/torc.sock,mode=600,unix:/a,127.0.0.1:1'), [
    { host: '/run/torc.sock', port: 0, mode: 0o600 },
    { host: '/a', port: 0, mode: 0o660 },
    { host: '127.0.0.1', port: 1, mode: 0 },
  ]);
  for (const [text, wrong] of [
    ['80', '"80"'],
    ['a:0', '"a:0"'],
    ['a:65536', '"a:65536"'],
    ['::1:80', '"::1:80"'],
    ['[1.2.3.4]:80', '"[1.2.3.4]:80"'],
    ['unix:run/torc.sock', '"unix:run/torc.sock"'],
    [`unix:/${'x'.repeat(90)}`, '"unix:/x'],
    ['unix:/a,mode=8', '"mode=8"'],
    ['a:1,mode=600', '"mode=600"'],
    ['mode=600', '"mode=600"'],
    ['a:1,a:1', 'has "a:1" twice'],
    ['a:1,', 'has a wrong part ""'],
  ] as const)
    assert.match(faults({ TORC_LISTEN: text })[0]!, wrong);
});

configuration('the field of a request’s id is none that something else is said by', () => {
  for (const name of ['X-Correlation-Id', 'off', 'request-id'])
    assert.is(config({ TORC_REQUEST_ID: name }).requestId, name);
  for (const name of ['a_b', 'Host', 'x-forwarded-for', 'content-type', 'traceparent', 'a b', 'proxy-x'])
    assert.match(faults({ TORC_REQUEST_ID: name })[0]!, 'is no field that torc may set; allowed: ');
});

configuration.run();
