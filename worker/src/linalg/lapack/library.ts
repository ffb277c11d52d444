// Loads a shared library with BLAS and LAPACK, and tells what it is.
import { isMainThread } from 'node:worker_threads';
import koffi from 'koffi';
import { LinearAlgebraMissingError } from '../linalg-error.js';
import { findLibraries, LIBRARY_VARIABLE, realLibraryPath } from './find-library.js';
import { callNow, integers, integerValue } from './fortran.js';
import { libraryEnvironment, withEnvironment } from './library-environment.js';

/** A function of a shared library; `async` runs it on libuv's pool and reports to the last argument. */
export interface KoffiFunction {
  (...args: readonly unknown[]): unknown;
  readonly async: (...args: readonly unknown[]) => void;
}

/** The routines that we call, with how many arguments by reference and how many CHARACTERs they have. */
const ROUTINES = {
  dsyevd: { references: 11, characters: 2 },
  dgemm: { references: 13, characters: 2 },
  dsyrk: { references: 10, characters: 2 },
  dgesdd: { references: 14, characters: 1 },
  dgelqf: { references: 8, characters: 0 },
  dorglq: { references: 9, characters: 0 },
} as const;

export type RoutineName = keyof typeof ROUTINES;

/** A loaded library. */
export interface LapackLibrary {
  readonly path: string;
  /** Path, version and build configuration, as far as the library tells. */
  readonly description: string;
  readonly routines: Readonly<Record<RoutineName, KoffiFunction>>;
  /** Whether INTEGERs are 8 bytes long; false when unknown. */
  readonly longIntegers: boolean;
  /** Whether several calls may run at the same time. */
  readonly reentrant: boolean;
  /** Whether it is the reference implementation, right but several times slower than OpenBLAS. */
  readonly reference: boolean;
}

/** How builds of OpenBLAS decorate names: SciPy's and NumPy's wheels, and 64-bit integers. */
const DECORATIONS = [
  { prefix: '', suffix: '' },
  { prefix: '', suffix: '64_' },
  { prefix: 'scipy_', suffix: '' },
  { prefix: 'scipy_', suffix: '64_' },
] as const;

type Decoration = (typeof DECORATIONS)[number];
type Handle = ReturnType<typeof koffi.load>;

/**
 * Native calls run on a stack that koffi allocates, 128 KiB at first; LAPACK's and OpenBLAS's
 * frames are sized for the 8 MiB of an ordinary thread.
 */
const STACK_BYTES = 8 * 2 ** 20;

let loaded: LapackLibrary | undefined;

/**
 * The machine's library: of those that are found the first that has all we need. Loaded once.
 * @throws LinearAlgebraMissingError naming each one that was tried
 */
export function loadLapack(): LapackLibrary {
  loaded ??= firstUsable(findLibraries());
  return loaded;
}

function firstUsable(paths: readonly string[]): LapackLibrary {
  // The environment of a worker thread is a copy that native code does not see.
  if (!isMainThread) throw new Error('LAPACK has to be loaded on the main thread');
  if (koffi.config().async_stack_size !== STACK_BYTES) {
    koffi.config({ async_stack_size: STACK_BYTES });
  }
  const failures: unknown[] = [];
  for (const path of paths) {
    try {
      return load(path);
    } catch (cause) {
      failures.push(cause);
    }
  }
  const reasons = failures.map((failure) => (failure as Error).message);
  const wanted = process.env[LIBRARY_VARIABLE];
  throw new LinearAlgebraMissingError(
    wanted
      ? `${LIBRARY_VARIABLE}='${wanted}' is no usable LAPACK: ${reasons.join('; ')}`
      : 'no LAPACK library was found',
    new AggregateError(failures, reasons.join('; ')),
  );
}

function load(found: string): LapackLibrary {
  const path = realLibraryPath(found);
  const handle = withEnvironment(libraryEnvironment(path), () => koffi.load(path));
  const decoration = DECORATIONS.find((candidate) => has(handle, fortranName(candidate, 'dsyevd')));
  if (decoration === undefined) throw new Error(`${path} has no dsyevd`);
  const routine = (name: RoutineName) => bind(handle, fortranName(decoration, name), name);
  const routines = {
    dsyevd: routine('dsyevd'),
    dgemm: routine('dgemm'),
    dsyrk: routine('dsyrk'),
    dgesdd: routine('dgesdd'),
    dgelqf: routine('dgelqf'),
    dorglq: routine('dorglq'),
  };
  const openblas = describeOpenBlas(handle, decoration);
  return {
    path,
    routines,
    description: `${path} (${openblas?.text ?? describeLapack(handle, decoration)})`,
    longIntegers: openblas?.longIntegers ?? decoration.suffix === '64_',
    reentrant: openblas?.reentrant ?? true,
    reference: openblas === undefined && /liblapack\.so[^/]*$/.test(path),
  };
}

const fortranName = ({ prefix, suffix }: Decoration, name: string) => `${prefix}${name}_${suffix}`;

function has(handle: Handle, name: string): boolean {
  try {
    handle.func(name, 'void', []);
    return true;
  } catch {
    return false;
  }
}

function bind(handle: Handle, symbol: string, name: RoutineName): KoffiFunction {
  const { references, characters } = ROUTINES[name];
  return handle.func(symbol, 'void', [
    ...Array.from({ length: references }, () => 'void *'),
    ...Array.from({ length: characters }, () => 'size_t'),
  ]);
}

interface OpenBlasFacts {
  readonly text: string;
  readonly longIntegers: boolean;
  readonly reentrant: boolean;
}

/** What OpenBLAS says of itself; also limits it to one thread. Undefined for other libraries. */
function describeOpenBlas(
  handle: Handle,
  { prefix, suffix }: Decoration,
): OpenBlasFacts | undefined {
  const name = (base: string) => `${prefix}openblas_${base}${suffix}`;
  if (!has(handle, name('get_config'))) return undefined;
  const config = String(handle.func(name('get_config'), 'str', [])()).trim();
  const kernels = String(handle.func(name('get_corename'), 'str', [])());
  handle.func(name('set_num_threads'), 'void', ['int'])(1);
  // 0: built for single-threaded programs, whose buffers two calls at a time would share.
  const sequential = handle.func(name('get_parallel'), 'int', [])() === 0;
  return {
    text: `${config}, ${kernels} kernels`,
    longIntegers: config.includes('USE64BITINT'),
    reentrant: !sequential,
  };
}

/** The version of LAPACK that a library other than OpenBLAS implements. */
function describeLapack(handle: Handle, decoration: Decoration): string {
  const name = fortranName(decoration, 'ilaver');
  if (!has(handle, name)) return 'LAPACK of unknown version';
  const version = [integers(1), integers(1), integers(1)];
  callNow(handle.func(name, 'void', ['void *', 'void *', 'void *']), version);
  return `LAPACK ${version.map(integerValue).join('.')}`;
}
