// The image of the replicas. The bundled one is built where it is missing, or older than this torc's replica program (a
// label holds the hash of what it was made from); any other must be on the engine already: torc pulls nothing by itself,
// because what runs in production is the user's choice. The engine's classic builder is used: every engine has it.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { StartError } from '../../core/errors.ts';
import { packageRoot } from '../../core/installation.ts';
import { type Engine, EngineError } from './engine.ts';

export const BUNDLED_IMAGE = 'torc-replica';
/** The image of the demo program, by any of its names. */
export const isBundled = (image: string): boolean =>
  image === BUNDLED_IMAGE || image === `${BUNDLED_IMAGE}:latest`;
const SOURCE_LABEL = 'torc.source';
const SOURCES = ['docker/replica.Dockerfile', 'docker/replica.ts'];
/** The base image may have to be pulled first. */
const BUILD_TIMEOUT_MS = 600_000;

export interface ImageFacts {
  /** Its STOPSIGNAL, if it has one of its own. */
  readonly stopSignal: string | null;
  /** What it EXPOSEs: "80/tcp". */
  readonly exposed: readonly string[];
}

/** Makes sure that `image` can be started. */
export async function ensureImage(
  engine: Engine,
  image: string,
  progress: (text: string) => void,
): Promise<ImageFacts> {
  const found = await inspectImage(engine, image);
  if (isBundled(image) && isOutdated(found)) {
    progress(
      found === null
        ? `building the image ${image}, once`
        : `building the image ${image} anew: its program changed`,
    );
    await buildBundled(engine, progress);
    return factsOf(await inspectImage(engine, image));
  }
  if (found === null) throw new StartError(missingImage(image));
  return factsOf(found);
}

const factsOf = (found: Docker.ImageInspectInfo | null): ImageFacts => {
  const { StopSignal, ExposedPorts } = (found?.Config ?? {}) as {
    StopSignal?: string;
    ExposedPorts?: Record<string, object> | null;
  };
  return { stopSignal: StopSignal ?? null, exposed: Object.keys(ExposedPorts ?? {}) };
};

export async function hasImage(engine: Engine, image: string): Promise<boolean> {
  return (await inspectImage(engine, image)) !== null;
}

export const missingImage = (image: string): string =>
  `image ${image} is not on this engine: docker pull ${image}, or build it`;

/** An image of that name without our label is somebody's own: it is used as it is. */
function isOutdated(found: Docker.ImageInspectInfo | null): boolean {
  if (found === null) return true;
  const source = found.Config.Labels?.[SOURCE_LABEL];
  return source !== undefined && source !== sourceHash();
}

function sourceHash(): string {
  const hash = createHash('sha256');
  for (const path of SOURCES) hash.update(readFileSync(join(packageRoot, path)));
  return hash.digest('hex').slice(0, 16);
}

async function inspectImage(engine: Engine, image: string): Promise<Docker.ImageInspectInfo | null> {
  try {
    return await engine.ask(`cannot look at the image ${image}`, docker => docker.getImage(image).inspect());
  } catch (error) {
    if (error instanceof EngineError && error.status === 404) return null;
    throw error;
  }
}

interface BuildLine {
  readonly stream?: string;
  readonly status?: string;
  readonly id?: string;
  readonly error?: string;
}

async function buildBundled(engine: Engine, progress: (text: string) => void): Promise<void> {
  const stream = await engine.stream(`cannot build the image ${BUNDLED_IMAGE}`, docker =>
    docker.buildImage(
      { context: packageRoot, src: SOURCES },
      {
        t: BUNDLED_IMAGE,
        dockerfile: SOURCES[0]!,
        labels: { [SOURCE_LABEL]: sourceHash() },
        rm: true,
        forcerm: true,
      },
    ),
  );
  const fault = await followBuild(stream, progress);
  if (fault !== null) throw new StartError(`the image ${BUNDLED_IMAGE} cannot be built: ${fault}`);
}

/** Tells each step, and of a pull its beginning; resolves with the error that ended the build, or null. */
function followBuild(
  stream: NodeJS.ReadableStream,
  progress: (text: string) => void,
): Promise<string | null> {
  return new Promise(resolve => {
    let fault: string | null = null;
    let rest = '';
    const timer = setTimeout(
      () => resolve(`it took more than ${BUILD_TIMEOUT_MS / 60_000} minutes`),
      BUILD_TIMEOUT_MS,
    );
    const done = (why: string | null): void => {
      clearTimeout(timer);
      resolve(fault ?? why);
    };
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const { stream: text = '', status = '', id, error } = parseLine(line);
        if (error !== undefined) fault = error;
        if (text.startsWith('Step ')) progress(`docker build: ${text.trim()}`);
        if (id === undefined && status !== '') progress(`docker build: ${status}`);
      }
    });
    stream.on('end', () => done(null));
    stream.on('error', (error: Error) => done(error.message));
    stream.on('close', () => done('the engine closed the connection'));
  });
}

function parseLine(line: string): BuildLine {
  try {
    return JSON.parse(line) as BuildLine;
  } catch {
    return {};
  }
}
