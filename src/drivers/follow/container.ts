// One followed container as the engine describes it -> what the seats and the control plane need to know. A replica here
// is one run of a container: `docker restart` gives the same container another run, perhaps at another address, and what
// is known of the run before (its connections, its failures) is not true of it.

import type Docker from 'dockerode';
import { exitInWords } from '../docker/hints.ts';
import type { Presence } from './seats.ts';

export const SLOT_LABEL = 'torc.slot';
const NUMBER_LABEL = 'com.docker.compose.container-number';
const ONEOFF_LABEL = 'com.docker.compose.oneoff';
const VERSION_LENGTH = 12;

export interface Followed {
  readonly id: string;
  /** Names this run and no other. */
  readonly runId: string;
  readonly name: string;
  readonly info: Docker.ContainerInspectInfo;
  /** The seat it names; null: any. */
  readonly seat: string | null;
  readonly presence: Presence;
  readonly paused: boolean;
  /** What it is doing instead of running, in words; '' while it runs. */
  readonly ended: string;
  readonly image: string;
  readonly version: string;
  /** Since 1970. */
  readonly startedMs: number;
}

/** Null: not a replica, or no longer there. `stopping` says why it is about to end, if it is. */
export function followed(
  info: Docker.ContainerInspectInfo,
  numbered: boolean,
  stopping: string | null,
): Followed | null {
  const { State, Config, Id } = info;
  const labels = Config.Labels ?? {};
  // `docker compose run`: somebody's task, with the service's labels and the number 1.
  if (labels[ONEOFF_LABEL] === 'True' || State.Status === 'removing') return null;
  const runs = State.Status === 'running' || State.Status === 'paused';
  const ended = runs ? (stopping ?? '') : endedInWords(State);
  return {
    id: Id,
    runId: `${Id}@${State.StartedAt}`,
    name: info.Name.replace(/^\//, ''),
    info,
    seat: seatOf(labels[numbered ? NUMBER_LABEL : SLOT_LABEL]),
    presence: runs ? (stopping === null ? 'here' : 'going') : presenceOf(State.Status),
    paused: State.Status === 'paused',
    ended,
    image: Config.Image,
    version: info.Image.replace(/^sha256:/, '').slice(0, VERSION_LENGTH),
    startedMs: Date.parse(State.StartedAt),
  };
}

/** A slot's name stands in answers, metrics and the log: what would not fit there names no seat. */
const seatOf = (label: string | undefined): string | null =>
  label !== undefined && /^[A-Za-z0-9._-]{1,63}$/.test(label) ? label : null;

const presenceOf = (status: string): Presence =>
  status === 'restarting' || status === 'created' ? 'coming' : 'ended';

function endedInWords({ Status, ExitCode, OOMKilled }: Docker.ContainerInspectInfo['State']): string {
  if (Status === 'created') return 'it was made, but not started yet';
  const how = exitInWords(ExitCode) + (OOMKilled ? ', out of memory' : '');
  return Status === 'restarting' ? `the engine restarts it: ${how}` : how;
}
