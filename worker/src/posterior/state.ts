// The state of an optimisation as a tensor bundle: where the next task goes on.
import { type BundleTensor, decodeBundle, encodeBundle, KronlensError } from '@kronlens/proto';
import type { ParameterMemory } from './parameter-memory.js';
import type { ArrayName } from './step-loops.js';

/**
 * Tensors of a state. For every parameter p, in its shape: `mean/p`, in the standard basis; `log_std/p`,
 * in the basis of its noise; `mean_square/p` and `log_std_square/p`, RMSprop's running means of squared
 * gradients. Then `rho`, `rho_square` and `steps`, [1] each.
 */
const KEPT: readonly (readonly [string, ArrayName])[] = [
  ['mean', 'mean'],
  ['log_std', 'logStd'],
  ['mean_square', 'meanSquare'],
  ['log_std_square', 'logStdSquare'],
];

/** What belongs to no parameter. */
export interface Scalars {
  rho: number;
  rhoSquare: number;
  /** Steps that were made. */
  steps: number;
}

export const single = (name: string, value: number): BundleTensor => ({
  name,
  shape: [1],
  symmetric: false,
  values: Float64Array.of(value),
});

/** The tensors of a state. */
export function stateTensors(memory: ParameterMemory, scalars: Scalars): readonly BundleTensor[] {
  const tensors = memory.parameters.flatMap((parameter) =>
    KEPT.map(([prefix, array]) => ({
      name: `${prefix}/${parameter.facts.name}`,
      shape: parameter.facts.shape,
      symmetric: false,
      values: Float64Array.from(parameter.values(array)),
    })),
  );
  return [
    ...tensors,
    single('rho', scalars.rho),
    single('rho_square', scalars.rhoSquare),
    single('steps', scalars.steps),
  ];
}

export function encodeState(memory: ParameterMemory, scalars: Scalars): Uint8Array {
  return encodeBundle(stateTensors(memory, scalars));
}

/** Fills the memory. @throws KronlensError when the bundle is no state of these parameters */
export function decodeState(bytes: Uint8Array, memory: ParameterMemory): Scalars {
  return readState(decodeBundle(bytes), memory);
}

/** As `decodeState`; other tensors in the bundle do not matter. */
export function readState(
  bundle: ReadonlyMap<string, BundleTensor>,
  memory: ParameterMemory,
): Scalars {
  for (const [prefix, array] of KEPT) readInto(bundle, `${prefix}/`, memory, array);
  const scalar = (name: string) => readScalar(bundle, name);
  return { rho: scalar('rho'), rhoSquare: scalar('rho_square'), steps: scalar('steps') };
}

/** The first value of a tensor. @throws KronlensError when there is none */
export function readScalar(bundle: ReadonlyMap<string, BundleTensor>, name: string): number {
  const value = bundle.get(name)?.values[0];
  if (value === undefined) throw new StateError(`it has no '${name}'`);
  return value;
}

/** Fills one array of every parameter from tensors named `prefix` and the parameter's name. */
export function readInto(
  bundle: ReadonlyMap<string, BundleTensor>,
  prefix: string,
  memory: ParameterMemory,
  array: ArrayName,
): void {
  for (const parameter of memory.parameters) {
    const name = `${prefix}${parameter.facts.name}`;
    const values = bundle.get(name)?.values;
    if (values?.length !== parameter.length)
      throw new StateError(`it has no '${name}' of shape [${parameter.facts.shape}]`);
    parameter.values(array).set(values);
  }
}

/** A bundle does not hold what a program's parameters need. */
class StateError extends KronlensError {
  constructor(reason: string) {
    super('bad-state', `a bundle does not fit the posterior's parameters: ${reason}`);
  }
}
