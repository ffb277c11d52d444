// Where a variant's chain of tasks stands, as one recorded result: what lies behind is not needed any more.
import {
  type BoundHistoryRow,
  contentId,
  create,
  KroneckerEigenSchema,
  type ParameterBasis,
  ParameterBasisSchema,
  type TaskResult,
  TaskResultSchema,
  taskId,
} from '@kronlens/proto';
import type { Engine } from '../engine.js';
import { artifactOf } from '../factor-stage.js';
import { distinctHardware } from '../hardware-of.js';
import type { PosteriorOptions, Variant } from './bound-options.js';
import type { Leftovers } from './leftovers.js';
import {
  type PosteriorPrograms,
  type PosteriorState,
  posteriorTask,
  type SharedArtifacts,
} from './posterior-programs.js';
import type { PreparedBound } from './prepare-bound.js';

/** A chain after some epochs. */
export interface ChainPlace {
  /** Epochs that are done. */
  readonly epochs: number;
  readonly at: PosteriorState;
  /** Of these epochs. */
  readonly rows: readonly BoundHistoryRow[];
}

/** The artifact `place` of a checkpoint, as JSON. */
interface Stored extends Pick<ChainPlace, 'epochs' | 'rows'> {
  readonly bases: readonly {
    readonly parameter: string;
    readonly groups: readonly { readonly output: string; readonly input: string }[];
  }[];
}

/** Content ids of the eigenvectors, each once. */
function eigenIds(bases: readonly ParameterBasis[]): readonly string[] {
  const ids = bases.flatMap(({ groups }) => groups.flatMap(({ output, input }) => [output, input]));
  return [...new Set(ids)].filter((id) => id !== '');
}

/**
 * Under which id a variant's checkpoint is recorded: whatever determines its posterior. How epochs are cut
 * into tasks does not.
 */
export function chainId(
  run: PreparedBound,
  options: PosteriorOptions,
  variant: Variant,
  programs: PosteriorPrograms,
  shared: SharedArtifacts,
): string {
  const whole = { first: 0, last: options.epochs, newBasis: false };
  const task = posteriorTask(run, options, programs, shared, whole, { state: '', bases: [] });
  const facts = JSON.stringify([
    'chain of posterior tasks',
    taskId(task),
    variant,
    options.interval,
  ]);
  return contentId(new TextEncoder().encode(facts));
}

export class ChainCheckpoint {
  readonly #engine: Engine;
  readonly #id: string;
  readonly #variant: Variant;
  readonly #leftovers: Leftovers;
  readonly #results: TaskResult[] = [];
  /** The present place, and the artifacts that it is made of beside bases. */
  #epochs = 0;
  #own: readonly string[] = [];

  constructor(engine: Engine, id: string, variant: Variant, leftovers: Leftovers) {
    this.#engine = engine;
    this.#id = id;
    this.#variant = variant;
    this.#leftovers = leftovers;
  }

  /** Takes a result that the next place rests on. */
  restsOn(result: TaskResult): void {
    this.#results.push(result);
  }

  /** @param seen is told of what computed the epochs so far */
  async read(seen: (result: TaskResult) => void): Promise<ChainPlace | undefined> {
    const { store } = this.#engine;
    const result = await store.getResult(this.#id);
    if (result === undefined) return undefined;
    const place = artifactOf(result, 'place');
    const { epochs, rows, bases } = JSON.parse(
      new TextDecoder().decode(await store.get(place)),
    ) as Stored;
    const state = artifactOf(result, 'state');
    this.restsOn(result);
    seen(result);
    await this.#moved(
      epochs,
      [place, state],
      result.artifacts.map(({ id }) => id),
    );
    const found = bases.map(({ parameter, groups }) =>
      create(ParameterBasisSchema, {
        parameter,
        groups: groups.map((group) => create(KroneckerEigenSchema, group)),
      }),
    );
    return { epochs, rows, at: { state, bases: found } };
  }

  /**
   * Records the place; what only the one before needed goes.
   * @param old bases that are not used any more
   */
  async write({ epochs, rows, at }: ChainPlace, old: readonly ParameterBasis[]): Promise<void> {
    const { store } = this.#engine;
    const bases = at.bases.map(({ parameter, groups }) => ({
      parameter,
      groups: groups.map(({ output, input }) => ({ output, input })),
    }));
    const stored: Stored = { epochs, rows, bases };
    const place = await store.put(new TextEncoder().encode(JSON.stringify(stored)));
    const kept = eigenIds(at.bases);
    const artifacts = [
      { name: 'state', id: at.state },
      { name: 'place', id: place },
      ...kept.map((id) => ({ name: 'eigen', id })),
    ];
    const parts = distinctHardware(this.#results);
    const result = create(TaskResultSchema, { taskId: this.#id, artifacts, parts });
    await store.putResult(this.#id, result);
    this.#leftovers.leave([...this.#own, ...eigenIds(old)], this.#epochs);
    await this.#moved(epochs, [place, at.state], [place, at.state, ...kept]);
  }

  async #moved(epochs: number, own: readonly string[], needs: readonly string[]): Promise<void> {
    this.#epochs = epochs;
    this.#own = own;
    await this.#leftovers.moved(this.#variant, epochs, needs);
  }
}
