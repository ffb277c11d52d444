// Adds vectors over batches by a fixed binary tree, so that sums do not depend on how shards are cut.
import { type Addend, vector } from './addends.js';

/** The finished sum of one subtree: batches [first, first + span). */
interface Subtree {
  readonly first: number;
  readonly span: number;
  readonly sum: Float64Array;
}

/** Memory for sums of one length. */
export interface SumMemory {
  readonly into?: Float64Array | undefined;
  readonly spare?: Float64Array[];
}

/**
 * Adds vectors that cover consecutive batches, in float64. The bytes of the result depend on the
 * batches' values alone, not on how batches were grouped into pieces.
 *
 * The order is that of a binary counter: two neighbouring subtrees of equal span are added as soon
 * as both are there and the left one starts at a multiple of twice their span; `finish` adds what
 * is still open from right to left. A piece that is itself the sum over an aligned power-of-two
 * number of batches is a node of that tree, and so is the sum over all batches from an aligned one
 * to the last; such pieces may stand in for their batches.
 *
 * At most log2(batches) + 1 vectors are held.
 */
export class TreeSum {
  #next: number;
  #length: number | undefined;
  /** Why nothing more can be added. */
  #closed: string | undefined;
  readonly #open: Subtree[] = [];
  readonly #spare: Float64Array[];
  #into: Float64Array | undefined;

  /**
   * @param firstBatch index of the first batch that will be added; 0 for the whole data set
   * @param memory that is used before any is allocated: `into` becomes the finished sum, `spare` is
   *   scratch of the same length each, which is given back there
   */
  constructor(firstBatch = 0, { into, spare = [] }: SumMemory = {}) {
    if (!Number.isSafeInteger(firstBatch) || firstBatch < 0) {
      throw new RangeError(`a first batch of ${firstBatch} is no index`);
    }
    this.#next = firstBatch;
    this.#length = into?.length;
    this.#into = into;
    this.#spare = spare;
  }

  /** The index of the batch that the next piece has to start with. */
  get next(): number {
    return this.#next;
  }

  /**
   * Adds the sum over batches [next, next + span). The values are copied.
   * @param span a power of two that divides `next`; anything else only for the very last piece
   * @returns whether all values are finite
   * @throws RangeError when the length differs from the first piece's, or a last piece came before
   */
  add(piece: Float32Array | Float64Array | Addend, span = 1): boolean {
    const values = 'addTo' in piece ? piece : vector(piece);
    if (this.#closed !== undefined) throw new RangeError(`nothing can be added: ${this.#closed}`);
    if (!Number.isSafeInteger(span) || span < 1) throw new RangeError(`a span of ${span} batches`);
    this.#length ??= values.length;
    if (values.length !== this.#length) {
      throw new RangeError(`a piece has ${values.length} values, the first had ${this.#length}`);
    }
    const first = this.#next;
    this.#next += span;
    const complete = isPowerOfTwo(span) && first % span === 0;
    if (!complete) {
      this.#closed = `batches ${first} to ${this.#next - 1} are no whole subtree, so they are last`;
    }
    const left = complete ? this.#widenLeft(first, span) : undefined;
    if (left === undefined) {
      const sum = this.#memory();
      this.#open.push({ first, span, sum });
      return values.copyTo(sum) === 0;
    }
    const check = values.addTo(left.sum);
    this.#carry();
    return check === 0;
  }

  /**
   * The sum over all batches. The object is used up.
   * @throws RangeError when nothing was added
   */
  finish(): Float64Array {
    this.#closed = 'the sum is finished';
    let right = this.#open.pop();
    if (right === undefined) throw new RangeError('there is no batch to sum over');
    for (let left = this.#open.pop(); left !== undefined; left = this.#open.pop()) {
      this.#addInto(left, right);
      right = left;
    }
    return right.sum;
  }

  /** The subtree at the top of which a complete one at `first` is the right half, widened over both. */
  #widenLeft(first: number, span: number): Subtree | undefined {
    const left = this.#open.at(-1);
    if (left === undefined || left.span !== span || left.first % (2 * span) !== 0) return undefined;
    if (left.first + span !== first) return undefined;
    this.#open[this.#open.length - 1] = { first: left.first, span: 2 * span, sum: left.sum };
    return left;
  }

  /** Adds up the neighbours of equal span at the top of the stack. */
  #carry(): void {
    for (;;) {
      const right = this.#open.pop();
      if (right === undefined) return;
      const left = this.#widenLeft(right.first, right.span);
      if (left === undefined) {
        this.#open.push(right);
        return;
      }
      this.#addInto(left, right);
    }
  }

  #addInto(left: Subtree, right: Subtree): void {
    vector(right.sum).addTo(left.sum);
    this.#spare.push(right.sum);
  }

  /** Memory for another subtree. The first stays the leftmost, which all others are added to. */
  #memory(): Float64Array {
    const into = this.#into;
    this.#into = undefined;
    return into ?? this.#spare.pop() ?? new Float64Array(this.#length ?? 0);
  }
}

function isPowerOfTwo(value: number): boolean {
  return 2 ** Math.round(Math.log2(value)) === value;
}
