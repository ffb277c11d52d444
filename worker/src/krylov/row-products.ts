// Products of small matrices with rows in panels, panel by panel: the BLAS-3 that Krylov iterations are made of.
import type { LinearAlgebra } from '../linalg/index.js';
import { giveFloats, takeFloats } from '../vector/spare-memory.js';
import { panelOf, type RowRange } from './panel-rows.js';

/** Panels that are worked on at a time: a native call uses one core. */
const AT_A_TIME = 4;

/** Does the work of all panels, several at a time; the results are in the panels' order. */
async function eachPanel<T>(
  rows: RowRange,
  work: (panel: number, width: number) => Promise<T>,
): Promise<T[]> {
  const { panels } = rows.of;
  const results: T[] = [];
  for (let first = 0; first < panels.length; first += AT_A_TIME) {
    const wave = panels.slice(first, first + AT_A_TIME);
    results.push(...(await Promise.all(wave.map(({ width }, i) => work(first + i, width)))));
  }
  return results;
}

/** a b^T, [a.count, b.count]: added over panels in their order. */
export async function innerProducts(
  linalg: LinearAlgebra,
  a: RowRange,
  b: RowRange,
): Promise<Float64Array> {
  const parts = await eachPanel(a, (panel, width) =>
    linalg.gemm(panelOf(a, panel), panelOf(b, panel), {
      rows: a.count,
      inner: width,
      columns: b.count,
      transposeB: true,
    }),
  );
  const total = new Float64Array(a.count * b.count);
  for (const part of parts) {
    for (let i = 0; i < total.length; i++) total[i] = (total[i] as number) + (part[i] as number);
  }
  return total;
}

/** rows -= factors from, in place; factors [rows.count, from.count]. */
export async function subtractCombinations(
  linalg: LinearAlgebra,
  rows: RowRange,
  factors: Float64Array,
  from: RowRange,
): Promise<void> {
  if (rows.count === 0 || from.count === 0) return;
  await eachPanel(rows, (panel, width) =>
    linalg.addGemm(panelOf(rows, panel), -1, factors, panelOf(from, panel), {
      rows: rows.count,
      inner: from.count,
      columns: width,
    }),
  );
}

/** Replaces the first `count` rows of the range by `factors` [count, rows.count] times its rows. */
export async function combine(
  linalg: LinearAlgebra,
  rows: RowRange,
  factors: Float64Array,
  count: number,
): Promise<void> {
  if (count === 0) return;
  await eachPanel(rows, async (panel, width) => {
    const values = panelOf(rows, panel);
    const product = takeFloats(count * width).fill(0);
    const shape = { rows: count, inner: rows.count, columns: width };
    await linalg.addGemm(product, 1, factors, values, shape);
    values.set(product);
    giveFloats(product);
  });
}
