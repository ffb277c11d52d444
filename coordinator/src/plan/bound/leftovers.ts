// Removes what the chains of a run have left behind, once none of them can come to need it any more.
import type { ArtifactStore } from '@kronlens/proto';

interface Left {
  readonly id: string;
  readonly epoch: number;
}

/**
 * Chains that agree up to some epoch have the same artifacts: what one leaves goes when all are past the epoch
 * that it belongs to, and none rests on it.
 */
export class Leftovers {
  readonly #store: Pick<ArtifactStore, 'delete'>;
  readonly #chains: Map<string, { readonly epochs: number; readonly needs: ReadonlySet<string> }>;
  #left: readonly Left[] = [];

  /** @param chains names of all that go on, which begin at epoch 0 */
  constructor(store: Pick<ArtifactStore, 'delete'>, chains: readonly string[]) {
    this.#store = store;
    this.#chains = new Map(chains.map((chain) => [chain, { epochs: 0, needs: new Set<string>() }]));
  }

  /** Artifacts made at the mean or state after `epoch` epochs, which the chain that says so does not need any more. */
  leave(ids: readonly string[], epoch: number): void {
    this.#left = [...this.#left, ...ids.map((id) => ({ id, epoch }))];
  }

  /** The chain has done so many epochs and rests on these artifacts; removes what nobody needs now. */
  async moved(chain: string, epochs: number, needs: readonly string[]): Promise<void> {
    this.#chains.set(chain, { epochs, needs: new Set(needs) });
    const all = [...this.#chains.values()];
    const isWanted = ({ id, epoch }: Left) =>
      all.some((each) => each.epochs <= epoch || each.needs.has(id));
    const gone = this.#left.filter((left) => !isWanted(left));
    this.#left = this.#left.filter(isWanted);
    // What cannot be removed does no harm.
    for (const { id } of gone) await this.#store.delete(id).catch(() => {});
  }
}
