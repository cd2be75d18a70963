// The page (`/admin/`) and what it is made of: files of src/admin/page and of the two packages that it uses, read once at the
// start and answered from memory. They hold no data and no secret; what the page shows it asks for as everybody does.
// Nothing may be loaded from anywhere else, nothing is inline, and no other page may put it into a frame.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AdminReply, AdminRequest } from '../core/messages.ts';
import { valuesOf } from './access.ts';
import { failure } from './replies.ts';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Told with the page itself, so that it need not ask in vain, which would be counted and logged as a refusal. */
const NEEDS_TOKEN = ' data-needs-token';

const INDEX = 'index.html';
const INDEX_WITH_TOKEN = 'index-with-token.html';

interface File {
  readonly headers: Readonly<Record<string, string>>;
  readonly etag: string;
  readonly body: string;
}

export class AdminPage {
  /** By their names under /admin/page/. */
  readonly #files = new Map<string, File>();

  constructor() {
    const own = join(import.meta.dirname, 'page');
    for (const name of readdirSync(own))
      if (types[extname(name)]) this.#add(name, readFileSync(join(own, name), 'utf8'));
    const page = this.#files.get(INDEX)!.body;
    this.#add(INDEX_WITH_TOKEN, page.replace('<html lang="en"', `$&${NEEDS_TOKEN}`));
    const chart = dirname(createRequire(import.meta.url).resolve('uplot/dist/uPlot.iife.min.js'));
    this.#add('uplot.js', readFileSync(join(chart, 'uPlot.iife.min.js'), 'utf8'));
    this.#add('uplot.css', readFileSync(join(chart, 'uPlot.min.css'), 'utf8'));
    // Node is given the build for servers; the browser's stands above it.
    const lit = join(dirname(fileURLToPath(import.meta.resolve('lit-html'))), '..');
    for (const name of ['lit-html.js', 'directive.js', 'directive-helpers.js', 'directives/repeat.js'])
      this.#add(`lit/${name}`, readFileSync(join(lit, name), 'utf8'));
  }

  /** Of all files together; a test holds it small. */
  get bytes(): number {
    return [...this.#files.values()].reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
  }

  answer(request: AdminRequest, path: string, needsToken: boolean): AdminReply {
    // Every link of the page is relative, so that it also works below another path of a proxy in front.
    if (path === '/admin') return { status: 308, headers: { location: 'admin/' }, body: '', more: false };
    const index = needsToken ? INDEX_WITH_TOKEN : INDEX;
    const name = path === '/admin/' ? index : path.slice('/admin/page/'.length);
    const file = this.#files.get(name);
    if (file === undefined) return failure(404, `the page has no file ${name.slice(0, 100)}`);
    const known = valuesOf(request, 'if-none-match').some(tags => tags.includes(file.etag));
    return { status: known ? 304 : 200, headers: file.headers, body: known ? '' : file.body, more: false };
  }

  #add(name: string, body: string): void {
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    const headers = {
      'content-type': types[extname(name)]!,
      'cache-control': 'no-cache',
      etag,
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
    };
    this.#files.set(name, { headers, etag, body });
  }
}
