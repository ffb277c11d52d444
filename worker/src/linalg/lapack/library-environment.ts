// Environment variables that a BLAS library reads while it is loaded.
import { readFileSync } from 'node:fs';

/**
 * One thread per call, for every library that we may meet: the split of a sum over threads changes
 * its rounding, and parallelism comes from running several calls. OpenBLAS built with OpenMP takes
 * no notice of `openblas_set_num_threads`, so this has to be said beforehand.
 */
const ONE_THREAD: Readonly<Record<string, string>> = {
  OPENBLAS_NUM_THREADS: '1',
  OMP_NUM_THREADS: '1',
  MKL_NUM_THREADS: '1',
  VECLIB_MAXIMUM_THREADS: '1',
};

/** The first OpenBLAS that knows the AVX-512 processors of 2022 and later. */
const KNOWS_AVX512 = [0, 3, 22] as const;
/** What OpenBLAS's SkylakeX kernels need. */
const AVX512 = ['avx512f', 'avx512cd', 'avx512bw', 'avx512dq', 'avx512vl'];

/**
 * The variables to set while the library at `path` is loaded. An old OpenBLAS takes Haswell kernels
 * on AVX-512 processors that it does not know, which costs a third of the speed.
 * @param path with links resolved, as OpenBLAS's version is read off the file name
 * @param cpuFlags the processor's flags as Linux reports them
 */
export function libraryEnvironment(
  path: string,
  cpuFlags: ReadonlySet<string> = readCpuFlags(),
): Readonly<Record<string, string>> {
  const version = /openblas.*?(\d+)\.(\d+)\.(\d+)/.exec(path)?.slice(1).map(Number);
  const old = version !== undefined && isBefore(version, KNOWS_AVX512);
  const avx512 = AVX512.every((flag) => cpuFlags.has(flag));
  return old && avx512 ? { ...ONE_THREAD, OPENBLAS_CORETYPE: 'SKYLAKEX' } : ONE_THREAD;
}

function isBefore(version: readonly number[], limit: readonly number[]): boolean {
  const at = limit.findIndex((part, index) => version[index] !== part);
  return at >= 0 && (version[at] ?? 0) < (limit[at] ?? 0);
}

function readCpuFlags(): ReadonlySet<string> {
  try {
    const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
    return new Set(flags.trim().split(/\s+/));
  } catch {
    return new Set();
  }
}

/**
 * Runs `load` with the variables set, and puts everything back. A core type that the user has set
 * stays; the thread counts do not, as results would depend on them.
 */
export function withEnvironment<T>(variables: Readonly<Record<string, string>>, load: () => T): T {
  const before = new Map(Object.keys(variables).map((name) => [name, process.env[name]]));
  for (const [name, value] of Object.entries(variables)) {
    if (name === 'OPENBLAS_CORETYPE' && process.env[name] !== undefined) continue;
    process.env[name] = value;
  }
  try {
    return load();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
