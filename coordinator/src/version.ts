// The version of this code: part of every task's id, so that results of other versions are not mixed.
import { readFileSync } from 'node:fs';

const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string };

/** The package's version, for example "0.1.0". */
export const VERSION: string = version;

/** What tasks carry as their code version. */
export const CODE_VERSION = `kronlens ${VERSION}`;
