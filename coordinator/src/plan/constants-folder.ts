// Constants of models that are evaluated, in one file of a temporary folder that ONNX Runtime maps into memory.
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConstantFile, ConstantPlace } from '../graph/index.js';
import { OWNER_FILE, removeAbandonedFolders } from './owned-folder.js';
import { thisProcess } from './process-owner.js';

const FILE = 'constants';
const PREFIX = 'kronlens-constants-';
/** Less is sent along with a model faster than it is mapped. */
const LEAST_BYTES = 2 ** 20;
/** Contents begin at multiples of this: a page of memory. */
const ALIGNMENT = 4096;

/**
 * The folder is made when the first constant comes. Where there is no room for it, models hold their constants
 * themselves, as they did before.
 */
export class ConstantsFolder implements ConstantFile {
  readonly #places = new WeakMap<Uint8Array, ConstantPlace>();
  #open: { readonly folder: string; readonly file: number } | undefined;
  #size = 0;
  #isUsable = true;
  /** What says whose the folder is. */
  readonly #owner: string;

  private constructor(owner: string) {
    this.#owner = owner;
  }

  /** Removes what killed processes have left, too: with SIGKILL nobody closes. */
  static async create(): Promise<ConstantsFolder> {
    const own = await thisProcess();
    await removeAbandonedFolders(PREFIX, own);
    return new ConstantsFolder(JSON.stringify(own));
  }

  /** The folder; empty as long as nothing is in it. */
  get folder(): string {
    return this.#open?.folder ?? '';
  }

  place(bytes: Uint8Array): ConstantPlace | undefined {
    const known = this.#places.get(bytes);
    if (known !== undefined || bytes.byteLength < LEAST_BYTES || !this.#isUsable) return known;
    const place = { location: FILE, offset: this.#size };
    try {
      this.#write(bytes, place.offset);
    } catch {
      this.#isUsable = false;
      return undefined;
    }
    this.#size += Math.ceil(bytes.byteLength / ALIGNMENT) * ALIGNMENT;
    this.#places.set(bytes, place);
    return place;
  }

  #write(bytes: Uint8Array, offset: number): void {
    if (this.#open === undefined) {
      const folder = mkdtempSync(join(tmpdir(), PREFIX));
      writeFileSync(join(folder, OWNER_FILE), this.#owner);
      this.#open = { folder, file: openSync(join(folder, FILE), 'wx', 0o600) };
    }
    for (let done = 0; done < bytes.byteLength; )
      done += writeSync(this.#open.file, bytes, done, bytes.byteLength - done, offset + done);
  }

  /** Removes the folder; models that refer to it run no more. */
  close(): void {
    this.#isUsable = false;
    if (this.#open === undefined) return;
    closeSync(this.#open.file);
    rmSync(this.#open.folder, { recursive: true, force: true });
    this.#open = undefined;
  }
}
