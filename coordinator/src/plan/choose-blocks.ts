// Reads what blocks of parameters the user asked for, and finds their parameters.
import type { ParameterMatrix } from '../programs/index.js';
import { selectNames } from './glob.js';
import { UsageError } from './usage-error.js';

/** A set of parameters whose block is measured as a whole. */
export interface NamedBlock {
  readonly name: string;
  /** In the model's order. */
  readonly parameters: readonly string[];
}

const MOST_NAMES = 12;

function shown(names: readonly string[]): string {
  const more = names.length > MOST_NAMES ? `, ... (${names.length} in all)` : '';
  return names.slice(0, MOST_NAMES).join(', ') + more;
}

/**
 * A block for each of the biases and normalisations' parameters whose module the patterns choose.
 * @param affine parameters named `<module>.weight` or `<module>.bias`
 */
export function affineBlocks(
  affine: readonly ParameterMatrix[],
  { layers, exclude }: { readonly layers: readonly string[]; readonly exclude: readonly string[] },
): readonly NamedBlock[] {
  const moduleOf = (name: string) => name.slice(0, name.lastIndexOf('.'));
  const modules = [...new Set(affine.map(({ name }) => moduleOf(name)))];
  const { selected } = selectNames(modules, layers, exclude);
  return affine
    .filter(({ name }) => selected.includes(moduleOf(name)))
    .map(({ name }) => ({ name, parameters: [name] }));
}

/**
 * @param asked one text a block: `glob,glob` or `name=glob,glob`, patterns over parameter names; one
 *   that begins with `!` takes parameters out
 * @param taken names of layers, which no block may have
 * @throws UsageError for a pattern that matches nothing, an empty block, a name that is taken
 */
export function chooseBlocks(
  asked: readonly string[],
  parameters: readonly ParameterMatrix[],
  taken: readonly string[],
): readonly NamedBlock[] {
  const names = parameters.map(({ name }) => name);
  const used = new Set(taken);
  return asked.map((text) => {
    const at = text.indexOf('=');
    const name = at < 0 ? text : text.slice(0, at);
    const patterns = text.slice(at + 1).split(',');
    if (name === '' || patterns.includes(''))
      throw new UsageError(`--block '${text}': give patterns as glob,glob or name=glob,glob`);
    if (used.has(name))
      throw new UsageError(
        `--block '${text}': '${name}' is the name of a layer or of another block; put a name in front, as in 'mine=${patterns.join(',')}'`,
      );
    used.add(name);
    const include = patterns.filter((pattern) => !pattern.startsWith('!'));
    const exclude = patterns.filter((pattern) => pattern.startsWith('!'));
    const { selected, unmatched } = selectNames(
      names,
      include,
      exclude.map((pattern) => pattern.slice(1)),
    );
    const [pattern] = unmatched;
    if (pattern !== undefined || selected.length === 0)
      throw new UsageError(
        `--block '${text}': ${pattern === undefined ? 'no parameter is left' : `'${pattern}' matches no parameter`}; there are ${shown(names)}`,
      );
    return { name, parameters: selected };
  });
}
