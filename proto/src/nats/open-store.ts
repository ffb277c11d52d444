// Opens the artifact store that an option names: the NATS server itself, or a folder shared by all.
import { fileURLToPath } from 'node:url';
import { BadInputError } from '../errors/kronlens-error.js';
import type { ArtifactStore } from '../store/artifact-store.js';
import { FolderStore } from '../store/folder-store.js';
import { JetStreamStore } from './jetstream-store.js';
import type { NatsLink } from './link.js';

/** The value of `--store` for artifacts on the NATS server. */
export const NATS_STORE = 'nats';

/**
 * The one spelling of a store that all processes of a run have to agree on.
 * @param text `nats`, or `file:///folder`
 * @throws BadInputError
 */
export function parseStore(text: string): string {
  if (text === NATS_STORE) return NATS_STORE;
  try {
    const url = new URL(text);
    if (url.protocol === 'file:') return `file://${fileURLToPath(url).replace(/(.)\/+$/, '$1')}`;
  } catch {
    // Said below.
  }
  throw new BadInputError(
    'bad-store',
    `'${text}' names no store; give nats, or a shared folder like file:///data/kronlens`,
  );
}

/** @param store as `parseStore` gives it */
export function openStore(link: NatsLink, store: string): ArtifactStore {
  return store === NATS_STORE
    ? new JetStreamStore(link)
    : new FolderStore(store.slice('file://'.length));
}
