// Chooses the layers of a run by the user's patterns, and says what stands in the way.
import { BadInputError } from '@kronlens/proto';
import type { Discovery, Layer, SkippedLayer } from '../layers/index.js';
import { selectNames } from './glob.js';
import { UsageError } from './usage-error.js';

export interface LayerChoice {
  readonly layers: readonly string[];
  readonly exclude: readonly string[];
  readonly skipUnsupported: boolean;
}

export interface ChosenLayers {
  readonly layers: readonly Layer[];
  /** Chosen by the patterns, but not analysable. */
  readonly skipped: readonly SkippedLayer[];
  readonly warnings: readonly string[];
}

/** An op without a rule stands between chosen layers and the output. */
export class BlockedLayersError extends BadInputError {
  constructor(model: string, reason: string, blocked: readonly string[], others: readonly Layer[]) {
    const layers = `${blocked.length === 1 ? 'the layer' : 'the layers'} ${blocked.join(', ')}`;
    const remedy =
      others.length === 0
        ? 'no other layer is left to analyse'
        : `--skip-unsupported analyses the other ${others.length === 1 ? 'layer' : 'layers'} (${names(others)})`;
    super('unsupported-op', `${model}: ${reason} blocks ${layers}; ${remedy}`);
  }
}

const MOST_NAMES = 12;

function names(layers: readonly { readonly name: string }[]): string {
  const shown = layers.slice(0, MOST_NAMES).map(({ name }) => name);
  return shown.join(', ') + (layers.length > MOST_NAMES ? `, ... (${layers.length} in all)` : '');
}

/**
 * @param model the model's file, for messages, like `opset`
 * @throws UsageError for a pattern that matches no layer
 * @throws BlockedLayersError for an unsupported op unless it may be skipped
 * @throws BadInputError when no layer is left
 */
export function chooseLayers(
  model: string,
  { layers, skipped, unsupported }: Discovery,
  opset: number,
  choice: LayerChoice,
): ChosenLayers {
  const all = [...layers, ...skipped];
  if (all.length === 0)
    throw new BadInputError(
      'no-layer',
      `${model} has no layer that can be analysed: no Gemm, MatMul, Conv or ConvTranspose with a constant weight leads to its output`,
    );
  const everyName = [...new Set(all.map(({ name }) => name))];
  const { selected, unmatched } = selectNames(everyName, choice.layers, choice.exclude);
  const [pattern] = unmatched;
  if (pattern !== undefined)
    throw new UsageError(
      `--layers '${pattern}' matches no layer of ${model}; it has ${names(all)}`,
    );
  if (selected.length === 0)
    throw new UsageError(`--layers and --exclude leave no layer of ${model}; it has ${names(all)}`);
  const isSelected = ({ name }: { readonly name: string }) => selected.includes(name);
  const chosen = layers.filter(isSelected);
  for (const { op, node, blocks } of unsupported) {
    const blocked = blocks.filter((name) => selected.includes(name));
    if (blocked.length === 0 || (choice.skipUnsupported && chosen.length > 0)) continue;
    throw new BlockedLayersError(
      model,
      `unsupported op ${op} in node '${node}' (opset ${opset})`,
      blocked,
      chosen,
    );
  }
  const refused = skipped.filter(isSelected);
  if (chosen.length === 0) {
    const reasons = refused.map(({ name, op, reason }) => `${op} '${name}': ${reason}`);
    throw new BadInputError(
      'no-layer',
      `${model} has no layer that can be analysed (${reasons.slice(0, 3).join('; ')}${reasons.length > 3 ? '; ...' : ''})`,
    );
  }
  const idle = choice.exclude.filter(
    (exclude) => selectNames(everyName, [exclude], []).unmatched.length > 0,
  );
  return {
    layers: chosen,
    skipped: refused,
    warnings: idle.map((exclude) => `--exclude '${exclude}' matches no layer`),
  };
}
