// Arguments -> command, operand, options and settings; the help that is written from the same rows.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CommandLine, readCommandLine } from '../../src/cli/command-line.ts';
import { commands } from '../../src/cli/commands.ts';
import { generalHelp, helpOf } from '../../src/cli/help.ts';
import { targetAt, targetOf, tokenFor } from '../../src/cli/target.ts';

const tests = suite('command line');

function read(...argv: string[]): CommandLine {
  const line = readCommandLine(argv);
  assert.is(line.kind, 'command', JSON.stringify(line));
  return line as CommandLine;
}

function faultOf(...argv: string[]): string {
  const line = readCommandLine(argv);
  return line.kind === 'fault' ? line.fault : `no fault: ${JSON.stringify(line)}`;
}

tests('without a command it is a start, and flags are settings', () => {
  for (const argv of [[], ['start']]) {
    const line = read(...argv, '--replicas', '5', '--ring=maglev');
    assert.is(line.command.name, 'start');
    assert.equal(line.settings, ['--replicas=5', '--ring=maglev']);
  }
});

tests('a value that looks like a flag or a command stays a value', () => {
  assert.equal(read('--replica-command', 'status --json').settings, ['--replica-command=status --json']);
  assert.equal(read('status', '--port', '6000').settings, ['--port=6000']);
  assert.equal(read('--heartbeat-path=').settings, ['--heartbeat-path=']);
});

tests('options of a command, beside settings', () => {
  const line = read('explain', '/a?b=1', '--header', 'a:1', '--port', '6000', '--header=b:2', '--json');
  assert.is(line.operand, '/a?b=1');
  assert.equal(
    [...line.options],
    [
      ['header', ['a:1', 'b:2']],
      ['json', ['']],
    ],
  );
  assert.equal(line.settings, ['--port=6000']);
  assert.is(read('status', '--json', '--url', 'http://x').options.get('url')?.[0], 'http://x');
});

tests('a fault says what is wrong, and what is allowed', () => {
  assert.is(faultOf('statsu'), 'statsu: is no command of torc; did you mean status?');
  assert.match(faultOf('serve'), /allowed: start, check, status/);
  assert.match(faultOf('start', '5'), '5: is not a flag; allowed: torc start [--NAME VALUE]');
  assert.match(faultOf('explain'), 'needs KEY|/PATH: torc explain 7');
  assert.match(faultOf('explain', 'a', 'b'), 'b: is not a flag');
  assert.match(faultOf('status', '--url'), '--url: has no value; allowed: URL');
  assert.match(faultOf('status', '--url', 'a', '--url', 'b'), '--url: is there twice');
});

tests('--help and --version, wherever they stand', () => {
  assert.equal(readCommandLine(['--replicas', '3', '-h']), { kind: 'help', command: null });
  assert.is(helpCommand('status', '--help'), 'status');
  assert.equal(readCommandLine(['-v']), { kind: 'version' });
  const text = generalHelp('SETTINGS');
  for (const command of commands) {
    assert.match(text, `torc ${command.name}`);
    for (const option of command.options) assert.match(helpOf(command), `--${option.name}`);
  }
  assert.ok(text.endsWith('SETTINGS'));
});

function helpCommand(...argv: string[]): string | undefined {
  const line = readCommandLine(argv);
  return line.kind === 'help' ? line.command?.name : undefined;
}

tests('where the running torc is, by its settings', () => {
  const config = {
    host: '0.0.0.0',
    port: 5000,
    listen: [],
    adminListen: null,
    adminPort: null,
    adminPaths: 'both',
  } as const;
  const urlOf = (change: object): string => {
    const target = targetOf({ ...config, ...change }, null);
    return typeof target === 'string' ? target : target.url;
  };
  assert.is(urlOf({}), 'http://127.0.0.1:5000');
  assert.is(urlOf({ host: '::' }), 'http://[::1]:5000');
  assert.is(urlOf({ adminPort: 9000, adminPaths: 'off-public' }), 'http://127.0.0.1:9000');
  assert.is(urlOf({ adminListen: 'unix:/run/torc' }), 'unix:/run/torc');
  assert.match(urlOf({ adminPaths: 'off-public' }), 'closed: TORC_ADMIN_PATHS=off-public');
});

tests('where it is, by --url', () => {
  assert.equal(targetAt('https://a:1/', 't'), { url: 'https://a:1', socketPath: null, token: 't' });
  assert.equal(targetAt('unix:/a b', null), { url: 'unix:/a b', socketPath: '/a b', token: null });
  for (const text of ['a:1', 'localhost', 'ftp://a', 'http://a/admin', ''])
    assert.match(String(targetAt(text, null)), 'allowed: http://HOST:PORT', text);
});

tests('the token: the one setting, else of its file one that may operate', () => {
  assert.is(tokenFor('given-here', 'of-the-file'), 'given-here');
  assert.is(tokenFor(null, '# a comment\n\nof-the-file\n'), 'of-the-file');
  assert.is(tokenFor(null, 'scrape read token-read\nops operate token-ops\n'), 'token-ops');
  assert.is(tokenFor(null, 'scrape read token-read'), 'token-read');
  assert.is(tokenFor(null, 'short'), null);
  assert.is(tokenFor(null, null), null);
});

tests('whatever the arguments are, they are read or refused', () => {
  const word = fc.oneof(
    fc.constantFrom(
      'status',
      'explain',
      '--json',
      '--url',
      '--',
      '-',
      '-h',
      '--no-json',
      '--url=',
      '--__proto__',
      '=',
    ),
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.string({ maxLength: 12 }).map(text => `--${text}`),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), argv => {
      const line = readCommandLine(argv);
      assert.ok(['command', 'help', 'version', 'fault'].includes(line.kind));
      targetAt(argv[0] ?? '', null);
      tokenFor(null, argv.join('\n'));
    }),
    { numRuns: 500 },
  );
});

tests.run();
