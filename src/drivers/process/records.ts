// What torc remembers of each replica process, one small JSON file each, so that the next torc can adopt it after a
// SIGKILL: who it is (pid and start time) and what it fills. Beside it stands the replica's output: a file, not a pipe,
// because a pipe breaks with torc and would take a replica that prints down with it.

import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../../core/whole-file.ts';

export interface ProcessRecord {
  readonly pid: number;
  readonly startTime: string;
  readonly port: number;
  readonly slot: string;
  readonly generation: number;
  readonly spare: boolean;
  /** The command line; '' for the bundled replica, absent in records of an earlier torc. */
  readonly command?: string;
}

/** Output beyond this is cut to nothing: only a replica's last words are of use here. */
const LONGEST_OUTPUT_BYTES = 256 * 1024;
const LAST_WORDS_BYTES = 2048;
const EXTENSION = '.json';

export const recordPath = (directory: string, name: string): string => join(directory, `${name}${EXTENSION}`);
const outputPath = (directory: string, name: string): string => join(directory, `${name}.out`);

export function writeRecord(directory: string, name: string, record: ProcessRecord): void {
  writeWhole(recordPath(directory, name), JSON.stringify(record));
}

export function removeRecord(directory: string, name: string): void {
  rmSync(recordPath(directory, name), { force: true });
  rmSync(outputPath(directory, name), { force: true });
}

/** All whole records, by name. What is not one of ours (a torn file, another shape) is removed. */
export function readRecords(directory: string): Map<string, ProcessRecord> {
  const records = new Map<string, ProcessRecord>();
  for (const file of readdirSync(directory).filter(entry => entry.endsWith(EXTENSION))) {
    const name = file.slice(0, -EXTENSION.length);
    const record = parseRecord(readFileSync(join(directory, file), 'utf8'));
    if (record !== null) records.set(name, record);
    else removeRecord(directory, name);
  }
  return records;
}

function parseRecord(text: string): ProcessRecord | null {
  try {
    const { pid, startTime, port, slot, generation, spare, command } = JSON.parse(
      text,
    ) as Partial<ProcessRecord>;
    const whole =
      Number.isSafeInteger(pid) &&
      pid! > 1 &&
      typeof startTime === 'string' &&
      Number.isSafeInteger(port) &&
      typeof slot === 'string' &&
      Number.isSafeInteger(generation) &&
      typeof spare === 'boolean' &&
      (command === undefined || typeof command === 'string');
    return whole ? ({ pid, startTime, port, slot, generation, spare, command } as ProcessRecord) : null;
  } catch {
    return null;
  }
}

/** Opened for appending: after a cut the writer goes on at the file's new end. The caller closes it. */
export const openOutput = (directory: string, name: string): number =>
  openSync(outputPath(directory, name), 'a', 0o600);

export function boundOutput(directory: string, name: string): void {
  const path = outputPath(directory, name);
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LONGEST_OUTPUT_BYTES) truncateSync(path);
}

/** Another one than before says that it has printed, also where the file was cut meanwhile. */
export function outputMark(directory: string, name: string): string {
  const stat = statSync(outputPath(directory, name), { throwIfNoEntry: false });
  return stat === undefined || stat.size === 0 ? '' : `${stat.size} ${stat.mtimeMs}`;
}

/** The end of what the replica printed, or ''. */
export function lastWords(directory: string, name: string): string {
  const path = outputPath(directory, name);
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return '';
  const buffer = Buffer.alloc(Math.min(size, LAST_WORDS_BYTES));
  const descriptor = openSync(path, 'r');
  try {
    readSync(descriptor, buffer, 0, buffer.length, size - buffer.length);
  } finally {
    closeSync(descriptor);
  }
  return buffer.toString('utf8').trim();
}
