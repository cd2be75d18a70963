#!/usr/bin/env node
// The command `torc`, and what `npm start` runs: says in one line when this Node is too old, else loads main. CommonJS in
// words that Node 10 can read, because a file that an old Node cannot parse ends in a stack trace instead of that line.

/** By major version, the first minor one that does what torc needs (docs/decisions/0022-package.md); "engines" says the same. */
const OLDEST = { 24: 18, 26: 2 };
const NEWEST_MAJOR = 26;

const [major, minor] = process.versions.node.split('.').map(Number);

if (major > NEWEST_MAJOR || minor >= OLDEST[major]) {
  import('./main.ts');
} else {
  process.stderr.write(
    `torc needs Node 24.18, or 26.2 or newer; this is ${process.versions.node}: get one from nodejs.org\n`,
  );
  process.exitCode = 1;
}
