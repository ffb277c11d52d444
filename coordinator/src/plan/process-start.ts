// When a process of this machine began: tells it from a later one with the same id.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** In /proc/<pid>/stat, counted behind the command's name, which may hold anything: see proc(5). */
const STATE_FIELD = 0;
const FLAGS_FIELD = 6;
const START_FIELD = 19;
/** Of the flags: its memory is being freed. */
const EXITING = 4;

/** Undefined when there is no such process. */
async function statFields(pid: number): Promise<readonly string[] | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/**
 * The start in the system's own words; undefined when there is no such process, or nothing of it but the
 * exit code that its parent has not asked for yet.
 */
export async function processStart(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const fields = await statFields(pid);
    return /[ZX]/.test(fields?.[STATE_FIELD] ?? '') ? undefined : fields?.[START_FIELD];
  }
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]);
    return stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}

/** Whether the process was killed, or has ended itself, and is only still there for the system to tidy up. */
export async function isEnding(pid: number): Promise<boolean> {
  const flags = process.platform === 'linux' ? (await statFields(pid))?.[FLAGS_FIELD] : undefined;
  return (Number(flags ?? 0) & EXITING) !== 0;
}
