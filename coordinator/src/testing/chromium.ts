// Opens HTML files in a headless Chromium, where one is installed.
import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';

/** Machines that test are busy. */
const PATIENCE_MS = 180_000;
const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome'];

/** The path of a Chromium; undefined where none is installed. */
export function findChromium(): string | undefined {
  for (const command of COMMANDS) {
    const { status, stdout } = spawnSync('sh', ['-c', `command -v ${command}`], {
      encoding: 'utf8',
    });
    if (status === 0) return stdout.trim();
  }
  return undefined;
}

/** A browser that is closed after the test; undefined, with the test skipped, where there is none. */
export async function openBrowser(t: TestContext): Promise<Browser | undefined> {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    t.skip('no Chromium is installed: run scripts/test.sh (Debian: apt-get install chromium)');
    return undefined;
  }
  const browser = await chromium.launch({ executablePath, timeout: PATIENCE_MS });
  t.after(() => browser.close());
  return browser;
}

export interface OpenedPage {
  readonly page: Page;
  /** Requests other than for the file itself, and errors of the page. */
  readonly troubles: readonly string[];
}

/** @param width of the window in CSS pixels */
export async function openPage(
  browser: Browser,
  file: string,
  { width = 1200, colorScheme = 'light' as 'light' | 'dark' } = {},
): Promise<OpenedPage> {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  page.setDefaultTimeout(PATIENCE_MS);
  const troubles: string[] = [];
  const url = pathToFileURL(file).href;
  page.on('request', (request) => {
    if (request.url() !== url) troubles.push(`request of ${request.url()}`);
  });
  page.on('pageerror', (error) => troubles.push(error.message));
  page.on('console', (message) => troubles.push(message.text()));
  await page.goto(url);
  return { page, troubles };
}
