// Where shared libraries with BLAS and LAPACK may lie on this machine, best first.
import { existsSync, realpathSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';

/** The environment variable that names the library to use, and then no other is tried. */
export const LIBRARY_VARIABLE = 'KRONLENS_BLAS';

/** What of the machine decides where libraries lie. */
export interface Place {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly exists: (path: string) => boolean;
}

function thisMachine(): Place {
  const { platform, arch, env } = process;
  return { platform, arch, env, exists: existsSync };
}

const TRIPLETS: Readonly<Record<string, string>> = {
  x64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
  ppc64: 'powerpc64le-linux-gnu',
  riscv64: 'riscv64-linux-gnu',
};

/** OpenBLAS under the names of Debian and conda, Alpine, Fedora, openSUSE and its own build. */
const OPENBLAS = [
  'libopenblas.so.0',
  'libopenblas.so.3',
  'libopenblasp.so.0',
  'libopenblas_pthreads.so.0',
  'libopenblas.so',
  'libopenblaso.so.0',
  'libopenblas64.so.0',
] as const;
/** Any other LAPACK that the distribution has set up; the reference one is slow but right. */
const ANY_LAPACK = ['liblapack.so.3'] as const;

const ACCELERATE = '/System/Library/Frameworks/Accelerate.framework/Accelerate';

/** Paths, or bare names that the system's loader has to find, in the order to try. */
export function findLibraries(place: Place = thisMachine()): readonly string[] {
  const wanted = place.env[LIBRARY_VARIABLE];
  if (wanted !== undefined && wanted !== '') return [wanted];
  if (place.platform === 'darwin') return findOnMac(place);
  if (place.platform === 'win32') return ['libopenblas.dll'];
  const folders = linuxFolders(place);
  const inFolders = (names: readonly string[]) =>
    names.flatMap((name) => folders.map((folder) => join(folder, name))).filter(place.exists);
  return [...inFolders(OPENBLAS), ...OPENBLAS.slice(0, 2), ...inFolders(ANY_LAPACK), ...ANY_LAPACK];
}

/** Accelerate is always there, though since macOS 11 not as a file. */
function findOnMac(place: Place): readonly string[] {
  const brew = ['/opt/homebrew', '/usr/local'].map((prefix) =>
    join(prefix, 'opt/openblas/lib/libopenblas.dylib'),
  );
  return [ACCELERATE, ...brew.filter(place.exists)];
}

function linuxFolders({ arch, env }: Place): readonly string[] {
  const triplet = TRIPLETS[arch];
  const debian = triplet === undefined ? [] : [`/usr/lib/${triplet}`, `/lib/${triplet}`];
  // Debian's variants lie in folders of their own; the one chosen by update-alternatives is first.
  const variants = debian
    .slice(0, 1)
    .flatMap((folder) => ['pthread', 'serial', 'openmp'].map((v) => `${folder}/openblas-${v}`));
  const user = (env.LD_LIBRARY_PATH ?? '').split(':').filter(isAbsolute);
  const conda = env.CONDA_PREFIX === undefined ? [] : [join(env.CONDA_PREFIX, 'lib')];
  return [...user, ...conda, ...debian, ...variants, '/usr/lib64', '/usr/lib', '/usr/local/lib'];
}

/** The file behind links, whose name tends to hold the version; the path itself when there is none. */
export function realLibraryPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
