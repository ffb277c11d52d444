// Chooses the layers of a run by the user's patterns, and says what stands in the way.
import { BadInputError } from '@kronlens/proto';
import { unsupportedAdvice } from '../graph/index.js';
import { type Discovery, isEmbedding, type Layer, type SkippedLayer } from '../layers/index.js';
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

/** Larger factors are not formed: a float64 matrix of 32,768 rows takes 8 GiB. */
const LARGEST_FACTOR = 2 ** 15;

/** Why the layer's factors cannot be formed; undefined where they can. */
function tooLarge(layer: Layer): string | undefined {
  const input = isEmbedding(layer) ? 0 : layer.inDim;
  const size = Math.max(input, layer.outDim);
  if (size <= LARGEST_FACTOR) return undefined;
  const factor = input > layer.outDim ? 'E[x x^T]' : 'E[M]';
  return `its ${factor} would be ${size} x ${size}, which takes ${Math.round((8 * size ** 2) / 2 ** 30)} GiB`;
}

/** One warning for each weight that is used as an embedding and as a linear layer. */
function tiedWeights(chosen: readonly Layer[]): readonly string[] {
  return chosen.flatMap(({ name, weight, tiedTo }, index) => {
    const before = chosen.slice(0, index).some((other) => other.name === tiedTo);
    return tiedTo === undefined || before
      ? []
      : [
          `layers '${name}' and '${tiedTo}' share the weight '${weight}'; each is analysed as if it had a weight of its own, so what the two roles have in common (cross terms) is left out`,
        ];
  });
}

/** An op without a rule stands between chosen layers and the output. */
export class BlockedLayersError extends BadInputError {
  constructor(
    model: string,
    op: string,
    place: string,
    blocked: readonly string[],
    others: readonly Layer[],
  ) {
    const layers = `${blocked.length === 1 ? 'the layer' : 'the layers'} ${blocked.join(', ')}`;
    const remedy =
      others.length === 0
        ? 'no other layer is left to analyse'
        : `--skip-unsupported analyses the other ${others.length === 1 ? 'layer' : 'layers'} (${names(others)})`;
    const clause = `unsupported op ${op} ${place} blocks ${layers}${unsupportedAdvice(op)}`;
    super('unsupported-op', `${model}: ${clause}; ${remedy}`);
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
  const chosen = layers.filter((layer) => isSelected(layer) && tooLarge(layer) === undefined);
  for (const { op, node, blocks } of unsupported) {
    const blocked = blocks.filter((name) => selected.includes(name));
    if (blocked.length === 0 || (choice.skipUnsupported && chosen.length > 0)) continue;
    throw new BlockedLayersError(model, op, `in node '${node}' (opset ${opset})`, blocked, chosen);
  }
  const large = layers.filter(isSelected).flatMap((layer): SkippedLayer[] => {
    const reason = tooLarge(layer);
    return reason === undefined ? [] : [{ name: layer.name, op: layer.op, reason }];
  });
  const refused = [...skipped.filter(isSelected), ...large];
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
    warnings: [
      ...idle.map((exclude) => `--exclude '${exclude}' matches no layer`),
      ...tiedWeights(chosen),
    ],
  };
}
