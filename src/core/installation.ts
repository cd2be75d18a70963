// Where torc itself lies, and the programs that it starts as processes of their own. A clone runs src/ as it is; the package
// and the image run what `npm run build` made of it, one folder deeper (dist/src/), in JavaScript. Both are told apart here
// and nowhere else.

import { extname, join } from 'node:path';

const extension = extname(import.meta.filename);
const isBuilt = extension === '.js';

/** Has package.json, and docker/ with what the demo program's image is made of. */
export const packageRoot = join(import.meta.dirname, isBuilt ? '../../..' : '../..');

/** The path of one of docker/'s programs, in the form that this Node runs. */
export const programPath = (name: 'replica' | 'reaper'): string =>
  join(import.meta.dirname, '../../docker', name + extension);
