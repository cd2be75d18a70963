// Suites that need a real browser: the distribution's chromium, driven by playwright-core. Without one each of their tests is
// counted as skipped; with TORC_TEST_BROWSER=require the absence is a failure (CI). Every page collects what it complains
// of: the console's errors, exceptions, and what its policy refused.

import { existsSync } from 'node:fs';
import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { waitFor } from './wait.ts';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = process.env.TORC_TEST_CHROMIUM ?? PLACES.find(path => existsSync(path));
/** Of everything that a page is asked; a loaded machine draws slowly. */
const TIMEOUT_MS = 40_000;

/** `define` adds the tests; then they run, or are counted as skipped. */
export function browserSuite(name: string, define: (test: Test, open: Open) => void): void {
  const test = suite(name);
  if (executablePath !== undefined) {
    let browser: Browser | null = null;
    test.after(async () => {
      await browser?.close();
    });
    define(test, async (url, options = {}) => {
      browser ??= await chromium.launch({ executablePath, args: ['--no-sandbox'], timeout: 60_000 });
      return openPage(browser, url, options);
    });
  } else if (process.env.TORC_TEST_BROWSER === 'require') {
    test('a browser is there', () =>
      assert.unreachable(`TORC_TEST_BROWSER=require, and there is none of ${PLACES.join(', ')}`));
  } else {
    const none = (): object => Object.assign(() => {}, { each: () => {} });
    const skipped = Object.assign(test.skip.bind(test), { before: none(), after: none() });
    define(skipped as unknown as Test, () => Promise.reject(new Error('no browser')));
  }
  test.run();
}

export interface Opened {
  readonly page: Page;
  /** What is seen of it, '' where it is not there. */
  textOf(selector: string): Promise<string>;
  /** Waits for a text. */
  says(selector: string, text: RegExp, timeoutMs?: number): Promise<void>;
  /** Fails with what the browser complained of since the last time, but for what was to be expected. */
  clean(expected?: RegExp): void;
  close(): Promise<void>;
}
export type Open = (url: string, options?: BrowserContextOptions) => Promise<Opened>;

/** Chromium drops whatever it loads, from loopback too, when a network of this machine comes or goes (a container's). */
const NETWORK_CHANGED = /ERR_NETWORK_CHANGED/;

/** Runs in the page, whose types are not ours. */
const TELL_POLICY = `document.addEventListener('securitypolicyviolation', event =>
  console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI));`;

async function openPage(browser: Browser, url: string, options: BrowserContextOptions): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  const faults: string[] = [];
  const complain = (text: string): void => {
    if (!NETWORK_CHANGED.test(text)) faults.push(text);
  };
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning')
      complain(`${message.text()} ${message.location().url}`);
  });
  page.on('pageerror', error => complain(`exception: ${error.message}`));
  await page.addInitScript({ content: TELL_POLICY });
  await load(page, url);
  const textOf = async (selector: string): Promise<string> =>
    (await page.locator(selector).allInnerTexts()).join(' ');
  return {
    page,
    textOf,
    says: async (selector, text, timeoutMs = 30_000) => {
      let last = '';
      const isThere = async (): Promise<boolean> => {
        last = await textOf(selector).catch(() => '');
        return text.test(last);
      };
      await waitFor(isThere, { timeoutMs, what: `${text} in ${selector}` }).catch(error => {
        throw new Error(`${(error as Error).message}; it says: ${last}`);
      });
    },
    clean: expected => {
      const unexpected = faults.splice(0).filter(fault => expected === undefined || !expected.test(fault));
      assert.equal(unexpected, [], 'what the browser complained of');
    },
    close: () => context.close(),
  };
}

/** Again where a part of it was dropped. */
async function load(page: Page, url: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await page.goto(url, { timeout: TIMEOUT_MS });
      await page.waitForSelector('main', { timeout: TIMEOUT_MS / 2, state: 'attached' });
      return;
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

const RULES: axe.RunOptions = {
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
};

/** What axe-core finds: rule and where. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<axe.AxeResults>(`axe.run(document, ${JSON.stringify(RULES)})`);
  return violations.flatMap(({ id, help, nodes }) =>
    nodes
      .slice(0, 3)
      .map(({ target, failureSummary }) => `${id}: ${help}: ${target.join(' ')}: ${failureSummary}`),
  );
}
