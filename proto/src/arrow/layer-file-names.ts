// The names by which layers appear in the result folder's files.

/** Leaves room in the 255 bytes of a file name for what is put behind a stem. */
const LONGEST_STEM = 160;

/**
 * File name stems of layers: characters outside [A-Za-z0-9._-] become `_`, and what exceeds 160
 * characters is cut off. No two files of a result folder share a name, not even on file systems
 * that ignore case: where they would, the later layer gets `~2`, `~3`, ... behind its stem.
 */
export function layerFileNames(layers: readonly string[]): ReadonlyMap<string, string> {
  const names = [...new Set(layers)];
  const stems = names.map(stemOf);
  const folded = new Set(stems.map((stem) => stem.toLowerCase()));
  const taken = new Map<string, number>();
  return new Map(
    names.map((layer, index) => {
      const stem = stems[index] ?? '_';
      const key = stem.toLowerCase();
      // Group 0 of layer `a` has the files `a.g0.*`, which a layer `a.g0` must leave alone.
      const base = key.replace(/\.g\d+$/, '');
      const count = (taken.get(key) ?? (base !== key && folded.has(base) ? 1 : 0)) + 1;
      taken.set(key, count);
      return [layer, count === 1 ? stem : `${stem}~${count}`];
    }),
  );
}

function stemOf(layer: string): string {
  const safe = layer.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^\.+/, '_');
  return safe.slice(0, LONGEST_STEM) || '_';
}
