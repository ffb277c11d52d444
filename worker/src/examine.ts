// Examines the machine for `kronlens doctor`: what is there, what is missing, how to get it.
import { availableParallelism, totalmem } from 'node:os';
import { processorName, runtimeVersion, vectorExtensions } from './hardware.js';
import { examineLinearAlgebra } from './linalg/index.js';

/** One line of the report. */
export interface MachineRow {
  readonly name: string;
  /** False when something that is needed, or that makes work much faster, is missing. */
  readonly ok: boolean;
  readonly detail: string;
  /** What to do where it is not ok. */
  readonly fix?: string;
}

export interface MachineReport {
  readonly rows: readonly MachineRow[];
}

/** The oldest Node that works, and why: `zlib.crc32` and stable worker threads. */
const OLDEST_NODE = [20, 19] as const;

function examineNode(): MachineRow {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  return {
    name: 'node',
    ok,
    detail: `${process.versions.node} on ${process.platform}-${process.arch}`,
    ...(ok ? {} : { fix: `install Node ${OLDEST_NODE.join('.')} or newer` }),
  };
}

async function examineProcessor(): Promise<MachineRow> {
  const extensions = await vectorExtensions();
  const gib = (totalmem() / 2 ** 30).toFixed(1);
  const what = extensions.length === 0 ? '' : ` (${extensions.join(' ')})`;
  return {
    name: 'processor',
    ok: true,
    detail: `${processorName()}${what}, ${availableParallelism()} cores, ${gib} GiB of memory`,
  };
}

const REINSTALL =
  'reinstall onnxruntime-node for this platform (npm ci); on Linux it needs glibc 2.28 and libstdc++';

async function examineRuntime(): Promise<MachineRow> {
  try {
    // By name and late: a missing or unloadable native library is what this is to find out.
    const { default: ort } = await import('onnxruntime-node');
    const hasCpu = ort.listSupportedBackends().some(({ name }) => name === 'cpu');
    return {
      name: 'onnxruntime',
      ok: hasCpu,
      detail: `${runtimeVersion()}, ${hasCpu ? 'runs on the processor' : 'without its cpu provider'}`,
      ...(hasCpu ? {} : { fix: REINSTALL }),
    };
  } catch (error) {
    const [reason] = String(error instanceof Error ? error.message : error).split('\n');
    return {
      name: 'onnxruntime',
      ok: false,
      detail: `the native library does not load: ${reason}`,
      fix: REINSTALL,
    };
  }
}

/** What this machine has of what the executor needs. Nothing is thrown: what fails is a row. */
export async function examineMachine(): Promise<MachineReport> {
  return {
    rows: [
      examineNode(),
      await examineProcessor(),
      await examineRuntime(),
      await examineLinearAlgebra(),
    ],
  };
}
