// Writes what a posterior is made of as matrix files: mean, standard deviations in both bases, the bases.
import { join } from 'node:path';
import {
  decodeBundle,
  encodeMatrixFile,
  KronlensError,
  layerFileNames,
  type ParameterBasis,
  writeFileAtomic,
} from '@kronlens/proto';
import { matrixFileName } from '../../merge/factor-files.js';
import type { Parameter } from '../../programs/index.js';
import type { Engine } from '../engine.js';
import type { Variant } from './bound-options.js';
import type { PosteriorPart } from './posterior-parts.js';
import { type Rotation, standardVariances } from './standard-variances.js';

export const POSTERIOR_FOLDER = 'posterior';

interface GroupRotation {
  readonly output: Rotation;
  /** Undefined for biases and embeddings. */
  readonly input: Rotation | undefined;
}

/** Writes the files of one variant. */
export class PosteriorWriter {
  readonly #engine: Engine;
  readonly #out: string;
  readonly #variant: Variant;
  readonly #stems: ReadonlyMap<string, string>;

  constructor(engine: Engine, out: string, variant: Variant, parameters: readonly Parameter[]) {
    this.#engine = engine;
    this.#out = out;
    this.#variant = variant;
    const layers = parameters.flatMap(({ layer }) => layer?.name ?? []);
    const names = [...parameters.map(({ name }) => name), ...layers];
    this.#stems = layerFileNames([...new Set(names)]);
  }

  /** @throws DiskFullError */
  async write(
    parts: readonly PosteriorPart[],
    parameters: readonly Parameter[],
    bases: readonly ParameterBasis[],
  ): Promise<void> {
    for (const [index, part] of parts.entries()) {
      const basis = bases.find(({ parameter }) => parameter === part.parameter);
      const rotations = basis === undefined ? undefined : await this.#rotations(basis);
      await this.#writePart(part, rotations);
      const { layer, part: kind } = parameters[index] ?? {};
      if (kind === 'weight' && layer !== undefined && rotations !== undefined)
        await this.#writeBases(layer.name, rotations);
    }
  }

  async #rotations({ groups }: ParameterBasis): Promise<readonly GroupRotation[]> {
    const read = async (id: string): Promise<Rotation> => {
      const found = decodeBundle(await this.#engine.store.get(id)).get('eigenvectors');
      const [size] = found?.shape ?? [];
      if (found === undefined || size === undefined)
        throw new KronlensError('bad-task-result', 'an eigendecomposition lacks vectors');
      return { size, vectors: found.values };
    };
    const rotations: GroupRotation[] = [];
    for (const { output, input } of groups)
      rotations.push({
        output: await read(output),
        input: input === '' ? undefined : await read(input),
      });
    return rotations;
  }

  async #writePart(
    { parameter, shape, mean, logDeviations }: PosteriorPart,
    rotations: readonly GroupRotation[] | undefined,
  ): Promise<void> {
    const [first = 1, ...rest] = shape;
    const columns = shape.length < 2 ? first : rest.reduce((product, size) => product * size, 1);
    const rows = shape.length < 2 ? 1 : first;
    const write = (kind: string, what: string, values: Float64Array) =>
      this.#write(`${this.#stem(parameter)}.${kind}.arrow`, parameter, what, {
        rows,
        columns,
        values,
      });
    const deviations = logDeviations.map(Math.exp);
    await write('mean', 'mean of the posterior', mean);
    await write(
      'deviations',
      rotations === undefined
        ? 'standard deviations of the posterior'
        : 'standard deviations of the posterior in its Kronecker eigenbasis',
      deviations,
    );
    if (rotations === undefined) return;
    const variances = deviations.map((value) => value * value);
    const each = variances.length / rotations.length;
    const standard = new Float64Array(variances.length);
    for (const [group, { output, input }] of rotations.entries()) {
      const own = variances.subarray(group * each, (group + 1) * each);
      standard.set(
        await standardVariances(own, output, input, this.#engine.evaluator),
        group * each,
      );
    }
    const what = 'standard deviations of the posterior in the standard basis';
    await write('standard_deviations', what, standard.map(Math.sqrt));
  }

  async #writeBases(layer: string, rotations: readonly GroupRotation[]): Promise<void> {
    for (const [group, rotation] of rotations.entries())
      for (const side of ['output', 'input'] as const) {
        const found = rotation[side];
        if (found === undefined) continue;
        const name = matrixFileName(this.#stem(layer), rotations.length, group, side);
        const what = `${side} eigenvectors of the posterior's basis, one a row`;
        const matrix = { rows: found.size, columns: found.size, values: found.vectors };
        await this.#write(name, layer, what, matrix);
      }
  }

  #stem(name: string): string {
    return `${this.#variant}.${this.#stems.get(name) ?? name}`;
  }

  async #write(
    file: string,
    layer: string,
    what: string,
    matrix: { readonly rows: number; readonly columns: number; readonly values: Float64Array },
  ): Promise<void> {
    const normalisation = 'weights row-major [groups * out_dim, in_dim]; biases as one row';
    const metadata = { variant: this.#variant };
    const bytes = encodeMatrixFile({ layer, what, normalisation, ...matrix, metadata });
    await writeFileAtomic(join(this.#out, POSTERIOR_FOLDER, file), bytes);
  }
}
