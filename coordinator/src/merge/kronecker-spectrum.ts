// The largest eigenvalues of a Kronecker product, by a heap over products of factor eigenvalues.

/** Eigenvalues of the two factors of one block, each in descending order. */
export interface FactorSpectra {
  readonly input: ArrayLike<number>;
  readonly output: ArrayLike<number>;
}

/** An eigenvalue output[outputIndex] * input[inputIndex] of the block `group`. */
export interface KroneckerEigenvalue {
  readonly value: number;
  readonly group: number;
  readonly outputIndex: number;
  readonly inputIndex: number;
}

/** Orders both factors' indices so that products never increase along either axis. */
interface Grid {
  readonly group: number;
  readonly output: readonly number[];
  readonly input: readonly number[];
}

interface Candidate {
  readonly eigenvalue: KroneckerEigenvalue;
  readonly grid: Grid;
  readonly row: number;
  readonly column: number;
}

/**
 * Factors are positive semi-definite, but rounding leaves tiny negative eigenvalues. Splitting by
 * sign gives four grids in each of which products fall along both axes.
 */
function monotoneGrids(spectra: FactorSpectra, group: number): readonly Grid[] {
  const indices = (values: ArrayLike<number>, negative: boolean) =>
    Array.from(values, (_, index) => index).filter(
      (index) => Number(values[index]) < 0 === negative,
    );
  const [outputPlus, outputMinus] = [indices(spectra.output, false), indices(spectra.output, true)];
  const [inputPlus, inputMinus] = [indices(spectra.input, false), indices(spectra.input, true)];
  const up = (list: readonly number[]) => [...list].reverse();
  return [
    { group, output: outputPlus, input: inputPlus },
    { group, output: up(outputMinus), input: up(inputMinus) },
    { group, output: up(outputPlus), input: inputMinus },
    { group, output: outputMinus, input: up(inputPlus) },
  ].filter((grid) => grid.output.length > 0 && grid.input.length > 0);
}

/** Larger values first; equal ones by group, output index and input index, so that order is fixed. */
function before(a: KroneckerEigenvalue, b: KroneckerEigenvalue): boolean {
  if (a.value !== b.value) return a.value > b.value;
  if (a.group !== b.group) return a.group < b.group;
  if (a.outputIndex !== b.outputIndex) return a.outputIndex < b.outputIndex;
  return a.inputIndex < b.inputIndex;
}

class CandidateHeap {
  readonly #items: Candidate[] = [];

  push(item: Candidate): void {
    const items = this.#items;
    let child = items.length;
    items.push(item);
    while (child > 0) {
      const parent = (child - 1) >> 1;
      const above = items[parent];
      if (above === undefined || !before(item.eigenvalue, above.eigenvalue)) break;
      items[child] = above;
      child = parent;
    }
    items[child] = item;
  }

  pop(): Candidate | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return top;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      let best = items[child];
      if (best === undefined) break;
      const right = items[child + 1];
      if (right !== undefined && before(right.eigenvalue, best.eigenvalue)) {
        child += 1;
        best = right;
      }
      if (!before(best.eigenvalue, last.eigenvalue)) break;
      items[parent] = best;
      parent = child;
    }
    items[parent] = last;
    return top;
  }
}

/**
 * The `count` largest eigenvalues of the block-diagonal matrix with blocks output (x) input, one
 * block a group (fewer where the matrix is smaller). O(count log count) after O(m + n) preparation.
 */
export function kroneckerSpectrum(
  blocks: readonly FactorSpectra[],
  count: number,
): readonly KroneckerEigenvalue[] {
  const heap = new CandidateHeap();
  const offer = (grid: Grid, row: number, column: number): void => {
    const outputIndex = grid.output[row];
    const inputIndex = grid.input[column];
    const block = blocks[grid.group];
    if (outputIndex === undefined || inputIndex === undefined || block === undefined) return;
    const value = Number(block.output[outputIndex]) * Number(block.input[inputIndex]);
    const eigenvalue = { value, group: grid.group, outputIndex, inputIndex };
    heap.push({ eigenvalue, grid, row, column });
  };
  for (const [group, spectra] of blocks.entries())
    for (const grid of monotoneGrids(spectra, group)) offer(grid, 0, 0);

  const result: KroneckerEigenvalue[] = [];
  while (result.length < count) {
    const top = heap.pop();
    if (top === undefined) break;
    result.push(top.eigenvalue);
    // Every cell is offered exactly once: by its left neighbour, or by the one above in column 0.
    offer(top.grid, top.row, top.column + 1);
    if (top.column === 0) offer(top.grid, top.row + 1, 0);
  }
  return result;
}
