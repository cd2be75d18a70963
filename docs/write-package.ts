// `npm run pack`: the package, from a folder of its own, so that its README and changelog can differ from the repository's: the
// pages that they link to (docs/) and their pictures are two thirds of the package again, and no file of it says where the
// repository is. So a link to what the package has not becomes its words and the page's path, and a picture goes. What is
// packed is `files` of package.json.
//   npm run pack -- --pack-destination FOLDER

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
/** What npm packs always. */
const ALWAYS = ['package.json', 'LICENSE', 'README.md'];

const NOTE = 'Pages named here (`docs/...`) are in the repository, of each version at its tag.\n';

/** `isPacked`: the package has the file at this path. */
export function packedPage(text: string, isPacked: (path: string) => boolean): string {
  const isThere = (target: string): boolean =>
    /^(?:[a-z]+:|#)/.test(target) || isPacked(target.split('#')[0]!);
  return text
    .replace(/^!\[[^\]]*\]\(([^)]*)\)\n+/gm, (picture, target: string) => (isThere(target) ? picture : ''))
    .replace(/\[([^\]]*)\]\(([^)]*)\)/g, (link, words: string, target: string) => {
      if (isThere(target)) return link;
      const [path = ''] = target.split('#');
      return words === path ? `\`${path}\`` : `${words} (\`${path}\`)`;
    });
}

function writePackage(args: readonly string[]): number {
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
  const folder = mkdtempSync(join(tmpdir(), 'torc-pack-'));
  try {
    for (const path of [...ALWAYS, ...files])
      cpSync(join(root, path), join(folder, path), { recursive: true });
    const isPacked = (path: string): boolean =>
      [...ALWAYS, ...files].some(each => path === each || path.startsWith(`${each}/`));
    for (const page of ['README.md', 'CHANGELOG.md']) {
      const text = packedPage(readFileSync(join(root, page), 'utf8'), isPacked);
      writeFileSync(join(folder, page), `${text}\n${NOTE}`);
    }
    // From here, where .npmrc says that no script runs: `prepack` would build what is no clone.
    return spawnSync('npm', ['pack', folder, ...args], { cwd: root, stdio: 'inherit' }).status ?? 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) process.exitCode = writePackage(process.argv.slice(2));
