// Short names of result folders: as much of their paths as tells them apart.
import { resolve, sep } from 'node:path';
import { BadInputError } from '@kronlens/proto';

/**
 * The last components of the paths, the same number of each and as few as make all names distinct.
 * @throws BadInputError when two paths lead to the same folder
 */
export function runNames(paths: readonly string[]): readonly string[] {
  const parts = paths.map((path) => resolve(path).split(sep).filter(Boolean));
  const seen = new Set<string>();
  for (const [index, path] of paths.entries()) {
    const whole = parts[index]?.join('/') ?? '';
    if (seen.has(whole))
      throw new BadInputError('same-run', `the folder ${path} is given twice; name every run once`);
    seen.add(whole);
  }
  const deepest = Math.max(1, ...parts.map((each) => each.length));
  for (let depth = 1; depth < deepest; depth++) {
    const names = parts.map((each) => each.slice(-depth).join('/'));
    if (new Set(names).size === names.length) return names;
  }
  return parts.map((each) => `/${each.join('/')}`);
}
