// Who made a file or folder: enough of a process to tell later whether it still runs.
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { processStart } from './process-start.js';

export interface ProcessOwner {
  readonly pid: number;
  /** When the process began, in the system's words: process ids are used again. */
  readonly started: string;
  readonly host: string;
  /** The system that counts these process ids: one boot of a machine, one container of it. */
  readonly place: string;
}

export async function thisProcess(): Promise<ProcessOwner> {
  const system = [
    readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    readlink('/proc/self/ns/pid'),
  ];
  const place = await Promise.all(system.map((part) => part.catch(() => '')));
  return {
    pid: process.pid,
    started: (await processStart(process.pid)) ?? '',
    host: hostname(),
    place: place.join(' ').trim(),
  };
}

/** The owner that a JSON text names; undefined for what is none, or not yet. */
export function ownerOf(text: string): ProcessOwner | undefined {
  try {
    const { pid, started, host, place } = JSON.parse(text) as Partial<ProcessOwner>;
    return typeof pid === 'number' &&
      typeof started === 'string' &&
      typeof host === 'string' &&
      typeof place === 'string'
      ? { pid, started, host, place }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the process still runs; undefined where it cannot be seen from here. */
export async function isRunning(
  owner: ProcessOwner,
  own: ProcessOwner,
): Promise<boolean | undefined> {
  if (owner.host !== own.host || owner.place !== own.place) return undefined;
  return (await processStart(owner.pid)) === owner.started;
}
