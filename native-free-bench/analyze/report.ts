// docs/analysis.md: the results told in words. The sentences are fixed, the numbers and the verdicts ("none was lost")
// come from the run, so a run that went wrong says so itself. Whoever wants the raw figures has results.json.

import { grouped, SEED_PUBLISHED } from './charts.ts';
import type { Exchange } from './endpoints.ts';
import { type Failure, PER_SECOND } from './failure.ts';
import { HASH_NAMES } from './hashes.ts';
import { type HashCell, type PhiCell, type RingRow, SIZES, type Spread } from './rings.ts';
import { faultsOf, type Results, type Run, runsOf } from './run.ts';
import { IN_FLIGHT } from './torc.ts';

const ANSWER_LINES = 14;
const ANSWER_CHARS = 600;

const ratio = (value: number): string => value.toFixed(3);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const ms = (us: number): string => (us / 1000).toFixed(1);
const fixed = (value: number): string => value.toFixed(value < 10 ? 1 : 0);
const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
const maxToMean = (counts: readonly number[]): number =>
  (Math.max(...counts) * counts.length) / Math.max(1, sum(counts));
const stdev = (counts: readonly number[]): number => {
  const mean = sum(counts) / counts.length;
  return Math.sqrt(sum(counts.map(count => (count - mean) ** 2)) / counts.length);
};
const chart = (name: string, alt: string): string => `![${alt}](analysis/${name}.svg)`;

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map(cells => `| ${cells.join(' | ')} |`).join('\n');
}

export function tell(results: Results): string {
  return `${[
    intro(results),
    countsSection(results),
    sizesSection(results),
    endpointsSection(results),
    failuresSection(results),
    ringsSection(results),
    hashesSection(results),
    pointsSection(results),
    viewSection(results),
    machineSection(results),
  ].join('\n\n')}\n`;
}

function intro(results: Results): string {
  const { a1, a3, requests, replays } = results;
  const killed = a3.failures.filter(({ fault }) => fault === 'kill');
  const lost = sum(runsOf(results).map(([, { load }]) => load.failed));
  const sent = sum(runsOf(results).map(([, { load }]) => load.sent));
  return `# Is it balanced, and what happens when a replica dies?

The four analyses that the assignment asks for, on the real torc with real replicas. \`npm run analyze\` makes this page, its
charts and [the raw figures](analysis/results.json) anew; the same seed gives the same counts.

- **Balance**: of ${grouped(requests)} requests on 3 replicas the busiest got ${ratio(maxToMean(a1.sequential.counts))} times the mean (ids 1, 2, 3, ...) and ${ratio(maxToMean(a1.random.counts))} times
  (random ids). The project that torc grew from got ${ratio(maxToMean(replays.seed.counts))}, the assignment's own formulas get ${ratio(maxToMean(replays.assignment.counts))}.
- **Loss**: ${lost === 0 ? `none of ${grouped(sent)} requests was lost` : `${lost} of ${grouped(sent)} requests were lost`}; the seed lost ${10_000 - sum(SEED_PUBLISHED)} of 10,000.
- **Failure**: a killed replica was out of routing after ${range(killed, 'outMs')} and its slot was back, with a new replica, after
  ${range(killed, 'backMs')}; ${lostWhile(a3.failures)}.${verdict(results)}`;
}

const range = (failures: readonly Failure[], field: 'outMs' | 'backMs'): string => {
  const times = failures.map(failure => Math.round(failure[field]));
  const [least, most] = [Math.min(...times), Math.max(...times)];
  return least === most ? `${grouped(least)} ms` : `${grouped(least)} to ${grouped(most)} ms`;
};

const lostWhile = (failures: readonly Failure[]): string => {
  const failed = sum(failures.map(failure => failure.failed));
  const asked = `${grouped(sum(failures.map(failure => failure.asked)))} requests sent during ${failures.length} failures`;
  return failed === 0
    ? `all ${asked} were answered with 200`
    : `${failed} of the ${asked} were not answered with 200`;
};

/** What the reader must know of a run that was not clean. */
function verdict(results: Results): string {
  const faults = faultsOf(results);
  const disturbed = runsOf(results).flatMap(([name, run]) => run.disturbed.map(why => `${name} (${why})`));
  const lines = [
    ...(faults.length > 0 ? [`**This run was not clean:** ${faults.join('; ')}.`] : []),
    ...(disturbed.length > 0
      ? [
          `Repeated, because torc took a slot out for a moment on the busy machine and its keys went to their next choices: ${disturbed.join('; ')}.`,
        ]
      : []),
  ];
  return lines.length === 0 ? '' : `\n\n${lines.join('\n\n')}`;
}

function countsSection(results: Results): string {
  const { a1, replays, requests } = results;
  const row = (name: string, { counts, load }: Run): (string | number)[] => [
    name,
    ...counts,
    load.failed,
    ratio(maxToMean(counts)),
    stdev(counts).toFixed(0),
  ];
  const clean = faultsOf(results).length === 0;
  const chance = results.a4.chance.find(({ n }) => n === 3)!;
  return `## A-1: ${grouped(requests)} asynchronous requests on three replicas

${chart('a1-counts', 'Bar chart: requests answered by each of three replicas, torc beside the seed')}

${table(
  ['ring', 'replica 1', 'replica 2', 'replica 3', 'lost', 'max/mean', 'stdev'],
  [
    row('torc (rendezvous), ids 1, 2, 3, ...', a1.sequential),
    row(`torc (rendezvous), random ids, seed ${results.seed}`, a1.random),
    row("the seed's ring, on torc (`TORC_RING=seed`)", replays.seed),
    [
      'the seed, as it published it',
      ...SEED_PUBLISHED,
      10_000 - sum(SEED_PUBLISHED),
      ratio(maxToMean(SEED_PUBLISHED)),
      stdev(SEED_PUBLISHED).toFixed(0),
    ],
    row("the assignment's ring, on torc (`TORC_RING=assignment`)", replays.assignment),
  ],
)}

Counted by the \`server_id\` in the bodies that the clients got, ${IN_FLIGHT} requests in flight at a time; torc's own counters
(\`/requests/ID\`) added up to ${grouped(a1.sequential.countedByTorc)} and ${grouped(a1.random.countedByTorc)}.

**Observations.** ${grouped(requests)} keys thrown perfectly at random on three slots give max/mean ${ratio(chance.maxToMean)} on average, so torc's ring adds
nothing that chance would not. ${clean ? 'Every count is, to the request, what the ring code alone predicts, in this and in every other run of this page: no request went to a second-best replica, and none was lost.' : 'Not every count is what the ring code predicts; the note at the top says which.'}
The seed published ${SEED_PUBLISHED.join(' / ')}: its ring gives ${replays.seed.predicted.join(' / ')}, so ${replays.seed.predicted.map((count, index) => count - SEED_PUBLISHED[index]!).join(', ')} requests are missing from
its three replicas: they were lost under way, not misrouted. On torc the same ring, point for point, loses ${replays.seed.load.failed === 0 ? 'none' : replays.seed.load.failed}. The assignment's H(i) = i² + 2i + 17
reaches 87 of its 512 places and Phi puts the nine points of a server side by side, so one replica does ${percent(replays.assignment.counts[0]! / Math.max(1, sum(replays.assignment.counts)))} of the work.`;
}

function sizesSection(results: Results): string {
  const { a2, a4, requests } = results;
  const rows = a2.map(({ n, sequential, random }, index) => [
    n,
    (requests / n).toFixed(0),
    sequential.counts.join(' / '),
    ratio(maxToMean(sequential.counts)),
    ratio(maxToMean(random.counts)),
    ratio(a4.chance[index]!.maxToMean),
    stdev(sequential.counts).toFixed(0),
    ms(random.load.p50Us),
    ms(random.load.p99Us),
    grouped(random.load.perSecond),
  ]);
  const seedRing = a4.rings.find(({ ring }) => ring === 'seed')!;
  const worst = Math.max(
    ...a2.flatMap(({ sequential, random }) => [maxToMean(sequential.counts), maxToMean(random.counts)]),
  );
  const [first, last] = [a2[0]!, a2.at(-1)!];
  return `## A-2: two to six replicas

torc grew from 2 to 6 through \`POST /add\`, ${grouped(requests)} requests of each kind at every size.

${chart('a2-load', 'Line chart: mean, busiest and idlest replica for N from 2 to 6')}

${chart('a2-balance', 'Line chart: the busiest replica above the mean for N from 2 to 6')}

${chart('a2-latency', 'Line chart: p50 and p99 latency for N from 2 to 6')}

${table(
  [
    'N',
    'mean',
    'counts, ids 1, 2, 3, ...',
    'max/mean',
    'random ids',
    'chance',
    'stdev',
    'p50 ms',
    'p99 ms',
    'requests/s',
  ],
  rows,
)}

**Observations.** The average load, which the assignment asks for, is ${grouped(requests)} / N whatever the ring does: it would be the same if one
replica did everything. What it hides is the busiest replica, at most ${ratio(worst)} times the mean here and up to ${ratio(Math.max(...seedRing.sequential.map(spread => spread.maxToMean)))} with the seed's ring.
max/mean grows with N for every ring, because fewer requests per replica are a smaller sample; torc stays close to the dashed line of
pure chance, and no ring can stay below that but by luck.

Latency and throughput are those of one machine with ${results.cores} cores that ran the client, torc and all N replicas, under a closed loop of
${IN_FLIGHT} requests: a median of ${ms(first.random.load.p50Us)} ms is ${IN_FLIGHT} requests waiting for the same cores (${IN_FLIGHT} / ${grouped(first.random.load.perSecond)} per second = ${((1000 * IN_FLIGHT) / first.random.load.perSecond).toFixed(1)} ms). ${
    last.random.load.perSecond > 1.15 * first.random.load.perSecond
      ? `More replicas
gave more throughput (${grouped(first.random.load.perSecond)} requests/s with 2, ${grouped(last.random.load.perSecond)} with 6) as far as there were cores for them.`
      : `More replicas
give no throughput there (${grouped(first.random.load.perSecond)} requests/s with 2, ${grouped(last.random.load.perSecond)} with 6), for they bring no cores; on machines of their own they would.`
  }`;
}

function endpointsSection({ a3 }: Results): string {
  return `## A-3: every endpoint

As answered by this run, with \`TORC_COMPAT=assignment\` (it turns a replica's 404 into the assignment's 400). Long answers are cut.

${a3.exchanges.map(exchange).join('\n\n')}`;
}

function exchange({ method, path, body, status, text }: Exchange): string {
  const asked = `$ ${method} ${path}${body === undefined ? '' : ` ${JSON.stringify(body)}`}`;
  const lines = text.slice(0, ANSWER_CHARS).trimEnd().split('\n');
  const cut = lines.length > ANSWER_LINES || text.length > ANSWER_CHARS;
  // The last line may have been cut in the middle.
  const whole = lines.length > 1 ? lines.slice(0, -1) : lines;
  const shown = cut ? [...whole.slice(0, ANSWER_LINES), '...'] : lines;
  const answer = text === '' ? ['(empty body)'] : shown;
  return [asked, String(status), ...answer].map(line => `    ${line}`.trimEnd()).join('\n');
}

const HOW: Readonly<Record<string, string>> = {
  kill: 'killed (SIGKILL)',
  terminate: 'terminated (SIGTERM)',
  hang: 'frozen: accepts connections, answers nothing',
  remove: 'removed by force',
};

function failuresSection({ a3, driver }: Results): string {
  const { failures } = a3;
  const rows = failures.map(failure => [
    HOW[failure.fault] ?? failure.fault,
    `${failure.source}: ${failure.cause}`,
    Math.round(failure.outMs),
    Math.round(failure.backMs),
    Math.round(failure.ejectedMs),
    Math.round(failure.readyMs),
    failure.asked,
    failure.failed,
    fixed(failure.slowestMs),
  ]);
  const charts = [
    ['kill', 'Timeline: answers per slot around the kill of a replica'],
    ['hang', 'Timeline: answers per slot around a replica that hangs'],
  ]
    .filter(([fault]) => failures.some(failure => failure.fault === fault))
    .map(([fault, alt]) => chart(`a3-${fault}`, alt!));
  const hang = failures.find(({ fault }) => fault === 'hang');
  return `## A-3: a replica fails

The replica of slot 2 is broken from outside (driver \`${driver}\`) while clients send ${PER_SECOND} requests a second, whether or not the last ones
were answered. *Out* and *back* are by our own clock, from just before the command was given until torc's event that the
slot left routing, and that its replacement came in; *ejected* and *ready* are torc's figures, from its first signal on.

${table(
  [
    'replica is',
    'first signal',
    'out ms',
    'back ms',
    'ejected ms',
    'ready ms',
    'requests',
    'lost',
    'slowest ms',
  ],
  rows,
)}

${charts.join('\n\n')}

**Observations.** In total ${lostWhile(failures)}. A replica that dies is seen at once, by an event of the driver or by a broken connection, without waiting
for a heartbeat; requests that were on it are sent again to their next choice. ${
    hang === undefined
      ? ''
      : `One that hangs gives no such sign: requests for it wait until a heartbeat goes unanswered (interval 1,000 ms, timeout 500 ms: the defaults), or until torc's next listing
of the containers, where it was paused. Here it was out
after ${grouped(Math.round(hang.outMs))} ms (${hang.source}), and what waited was then answered by the other two at once; the slowest took ${grouped(Math.round(hang.slowestMs))} ms. \`TORC_HEARTBEAT_INTERVAL_MS\` and \`_TIMEOUT_MS\` shorten that, at the price of taking
a busy replica for dead.`
  }
While a slot is out, its keys are spread over both others, and when it is back exactly they return: the slot, not the container, is
what the ring hashes. Most of the time to *back* is the start of the new replica; with \`TORC_SPARES=1\` one is running already.`;
}

function ringsSection({ a4 }: Results): string {
  const excessOf = (spreads: readonly Spread[]): string[] => spreads.map(spread => ratio(spread.maxToMean));
  const at3 = (row: RingRow): string => row.sequential.find(({ n }) => n === 3)!.counts.join(' / ');
  const byName = (name: string): RingRow => a4.rings.find(({ ring }) => ring === name)!;
  const needless = (row: RingRow): number => Math.max(...row.movements.map(move => move.needless));
  return `## A-4: other rings

What follows runs over the ring code without the wire, which adds nothing: the runs above show that where a request goes is what
the table says. Each ring with its own key hash; A-1 and A-2 again:

${chart('a4-rings', 'Line chart: the busiest slot above the mean for five rings, N from 2 to 6')}

${table(
  ['ring', 'counts, N = 3', ...SIZES.map(n => `max/mean, N = ${n}`)],
  a4.rings.map(row => [`\`${row.ring}\``, at3(row), ...excessOf(row.sequential)]),
)}

With random ids:

${table(
  ['ring', ...SIZES.map(n => `max/mean, N = ${n}`)],
  a4.rings.map(row => [`\`${row.ring}\``, ...excessOf(row.random)]),
)}

${chart('a4-moved', 'Bar chart: share of keys that move on a change of N, five rings beside the optimum')}

${table(
  [
    'ring',
    ...a4.rings[0]!.movements.map(
      ({ from, to, optimum }) => `${from} to ${to} (optimum ${percent(optimum)})`,
    ),
    'of it needless',
    'rows',
    'lookup ns',
    'bytes',
    'build ms',
  ],
  a4.rings.map(row => [
    `\`${row.ring}\``,
    ...row.movements.map(({ moved }) => percent(moved)),
    percent(needless(row)),
    row.rows,
    fixed(row.lookupNs),
    grouped(row.bytes),
    row.buildMs.toFixed(1),
  ]),
)}

**Observations.** \`rendezvous\` and \`maglev\` are as even as chance; the clockwise rings (\`ring\`, \`seed\`) carry the unevenness of their arcs
on top of it, and the assignment's is no balancer at all. \`rendezvous\` moves the share of the slot that came or went and nothing else; \`maglev\`
also moves keys between slots that stay (*needless*, up to ${percent(needless(byName('maglev')))} here, and it grows with N). The assignment's ring seems to move little
only because nearly all keys stay on one overloaded slot. All five are one table lookup (the times are hash and lookup together; \`seed\` pays for md5), so
balance and movement decide, and \`rendezvous\` is the default ([decision 2](decisions/0002-default-ring.md), with N up to 100).`;
}

function hashesSection({ a4 }: Results): string {
  const at = (spreads: readonly Spread[], size: number): string =>
    ratio(spreads.find(({ n }) => n === size)!.maxToMean);
  const cells = (ring: string): HashCell[] => a4.ringByHash.filter(cell => cell.ring === ring);
  const phis = (h: string): PhiCell[] => a4.hByPhi.filter(cell => cell.h === h);
  const grid = (size: number): string =>
    table(
      [`N = ${size}`, ...HASH_NAMES],
      a4.rings.map(({ ring }) => [`\`${ring}\``, ...cells(ring).map(cell => at(cell.sequential, size))]),
    );
  const phiGrid = (size: number): string =>
    table(
      [`N = ${size}: H, then Phi`, ...HASH_NAMES.map(name => name.replace(' H', ' Phi'))],
      HASH_NAMES.map(h => [h, ...phis(h).map(cell => at(cell.sequential, size))]),
    );
  const best = Math.min(
    ...a4.hByPhi.filter(({ phi }) => phi !== 'assignment H').map(cell => Number(at(cell.sequential, 3))),
  );
  const h = a4.hashes.find(({ hash }) => hash === 'assignment H')!;
  return `## A-4: other hash functions

The hash of the key, H, on each ring: max/mean of ids 1, 2, 3, ...

${chart('a4-hashes', 'Heat map: the busiest slot above the mean, ring by key hash, N = 3')}

${SIZES.map(grid).join('\n\n')}

${table(
  ['hash', 'ns a key', 'clustering', 'rows reached of 65,536'],
  a4.hashes.map(row => [row.hash, fixed(row.ns), row.clustering.toFixed(2), grouped(row.rowsReached)]),
)}

*Clustering* is the variance of the ids over 1,024 low-bit buckets to that of chance, which is 1; chance reaches 9,273 rows.

On the assignment's own ring (512 places, 9 points a server, linear probing), H and Phi exchanged separately:

${chart('a4-phi', "Heat map: other H and Phi on the assignment's ring, N = 3")}

${SIZES.map(phiGrid).join('\n\n')}

**Observations.** The fault of the assignment's ring is its Phi: with it no H helps, since i² + j² + 2j + 25 puts a server's nine points
next to each other and the servers side by side, so the first one owns the long way round. With a hashed Phi max/mean falls as far as
${ratio(best)}, but nine points are a lottery of names whatever the hash is. Its H reaches 87 of 512 places (clustering ${h.clustering.toFixed(0)}); even over 65,536 rows it leaves
\`rendezvous\` with ${at(cells('rendezvous')[0]!.sequential, 6)} at N = 6, where Murmur3 gives ${at(cells('rendezvous').at(-1)!.sequential, 6)}. Between FNV-1a, xxHash32, md5 and Murmur3 the differences in max/mean are chance; what
separates them is clustering (FNV-1a clusters counters) and cost. torc uses Murmur3: no clustering, published vectors, and a fraction of md5's time. None of the four is fit against an
attacker, nor has to be: who wants one replica can send it one key.`;
}

function pointsSection({ a4 }: Results): string {
  const row = (points: number): (string | number)[] => [
    points,
    ...[3, 6].flatMap(n => {
      const found = a4.points.find(one => one.points === points && one.n === n)!;
      return [ratio(found.mean), ratio(found.worst), found.buildMs.toFixed(1)];
    }),
  ];
  const head = (n: number): string[] => [`N = ${n}: mean`, 'worst', 'build ms'];
  const points = [...new Set(a4.points.map(one => one.points))];
  const rendezvous = a4.points.find(one => one.points === 160 && one.n === 3)!;
  return `## A-4: how many points

max/mean of the rows themselves (endlessly many keys) on a clockwise ring of 65,536 places, over 20 sets of slot names:

${chart('a4-points', 'Line chart: the busiest slot above the mean by points a slot, N = 3 and 6')}

${table(['points a slot', ...head(3), ...head(6)], points.map(row))}

**Observations.** The imbalance falls about with the square root of the points: four times the points halve it. The assignment's 9 leave the busiest of three
with ${ratio(a4.points.find(one => one.points === 9 && one.n === 3)!.mean)} on average, the usual 160 with ${ratio(rendezvous.mean)} (at worst ${ratio(rendezvous.worst)}), and past some hundreds points meet on taken places and buy little. A table
filled row by row (\`rendezvous\`, \`maglev\`) needs no points: its 65,536 rows are as good as that many.`;
}

function viewSection({ a2, a3, a4 }: Results): string {
  const rendezvous = a4.rings.find(({ ring }) => ring === 'rendezvous')!;
  const busiest = Math.max(...a2.map(({ sequential }) => sequential.load.perSecond));
  return `## Performance and scalability

- A choice costs ${fixed(rendezvous.lookupNs)} ns (hash and lookup) whatever N is, in ${grouped(rendezvous.bytes)} bytes that do not grow with N: routing is never what limits torc. At
  ${grouped(busiest)} requests/s, the most seen here, it is ${((busiest * rendezvous.lookupNs) / 1e7).toPrecision(1)} % of one core.
- What limits it is HTTP: reading and writing a request twice. That is spread over workers, one a core, which share nothing: each has the
  whole table. Throughput beside other proxies, latency at fixed rates and the cost of a request are the benches' subject, not this page's.
- Adding a replica moves only the keys that the new one takes over; healing moves none. So caches in the replicas survive both.
- Load is even in *keys*, not in work: a key that is asked for more than others, or costs more, still has one replica. \`TORC_BALANCE_FACTOR\`
  bounds that: no slot gets more than the factor times the mean of requests in flight, and the rest goes to the next choices.
- With many slots chance itself gets rougher (10,000 keys on 100 slots: max/mean 1.26), whatever the ring. More keys, not another
  ring, make it even.
- Failures cost ${a3.failures.some(({ failed }) => failed > 0) ? 'few or no' : 'no'} requests that may be sent again. A request that may not (a POST that had reached the dead replica) is answered
  502, and the client decides.`;
}

function machineSection({ date, node, cores, driver, tookS, seed, requests }: Results): string {
  return `## This run

${date}, Node ${node}, ${cores} cores, driver \`${driver}\`, seed ${seed}, ${grouped(requests)} requests a run, ${tookS} s in all. Counts repeat with the seed; times are this
machine's, which client, torc and replicas share.`;
}
