// Layer names: PyTorch module paths where the file lets one recover them.
import type { Node } from '../graph/index.js';

/**
 * The module path of the layer at `node`, from (in this order) the weight's name `path.weight`, the
 * bias's, the current exporter's `pkg.torch.onnx.name_scopes` metadata, the TorchScript exporter's
 * node names (`/layer1/layer1.0/conv1/Conv`), else the node's name.
 */
export function layerName(node: Node, weight: string, bias?: string): string {
  const named = parameterPath(weight, 'weight') ?? roleName(node, bias, 'bias');
  // ONNX Runtime's optimiser drops the scopes.
  return named ?? (bias === undefined ? undefined : parameterPath(bias, 'bias')) ?? node.name;
}

/**
 * The module path of one among several roles of a parameter: that of the node's scope, for which the parameter's
 * own is taken where both end in the same module, or the bias is that of a part of the scope's module, which then
 * multiplies by the part's weight itself. Scopes of TorchScript lack modules that are not called as such.
 */
export function roleName(
  node: Node,
  parameter: string | undefined,
  part: 'weight' | 'bias',
): string | undefined {
  const module = moduleName(node);
  const path = parameter === undefined ? undefined : parameterPath(parameter, part);
  const last = (name: string) => name.slice(name.lastIndexOf('.') + 1);
  if (module === undefined || path === undefined) return module;
  const isPart = part === 'bias' && path.startsWith(`${module}.`);
  return isPart || last(path) === last(module) ? path : module;
}

/** The module path of the node by the exporters' scopes alone. */
export function moduleName(node: Node): string | undefined {
  return scopeName(node) ?? pathName(node.name);
}

/** `path` of a parameter called `path.weight`, for the part `weight`. */
function parameterPath(parameter: string, part: string): string | undefined {
  return parameter.endsWith(`.${part}`) ? parameter.slice(0, -part.length - 1) : undefined;
}

/** The last scope but the node itself of `['', 'enc', 'enc.linear1', 'linear_3']`. */
function scopeName(node: Node): string | undefined {
  const text = node.metadata.get('pkg.torch.onnx.name_scopes');
  if (text === undefined) return undefined;
  const scopes = [...text.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g)].map(
    (m) => m[1] ?? m[2] ?? '',
  );
  const scope = scopes.at(-2);
  return scope === undefined || scope === '' ? undefined : scope;
}

/**
 * TorchScript repeats a prefix in each step: `/layer1/layer1.0/conv1/Conv` is layer1.0.conv1. Nodes that one is
 * decomposed into are called after it, and fused ones after one of them.
 */
function pathName(given: string): string | undefined {
  const name = given.replace(/^kl_(?=\/)/, '').replace(/\/MatMul\w*Fusion\/.*$/i, '');
  if (!name.startsWith('/')) return undefined;
  const steps = name.slice(1).split('/').slice(0, -1);
  if (steps.length === 0) return undefined;
  return steps
    .reduce((path, step) => {
      const last = path.slice(path.lastIndexOf('/') + 1);
      return step.startsWith(`${last}.`)
        ? `${path.slice(0, path.length - last.length)}${step}`
        : `${path}/${step}`;
    })
    .replaceAll('/', '.');
}

/** The names with `.2`, `.3`, ... put behind repetitions, in order. */
export function distinctNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let candidate = name;
    for (let count = 2; taken.has(candidate); count++) candidate = `${name}.${count}`;
    taken.add(candidate);
    return candidate;
  });
}
