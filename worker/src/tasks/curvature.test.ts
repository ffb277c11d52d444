// Curvature tasks through the executor against numpy's dense block: eigenpairs, norms, density, errors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CancelledError,
  type CurvatureTask,
  create,
  type Operator,
  OperatorSchema,
  type Progress,
  SpectrumPart,
} from '@kronlens/proto';
import {
  asTask,
  curvatureOf,
  curvatureTask,
  DIM,
  oracle,
  storeCurvatureProgram,
  storeKronecker,
  type TaskShape,
} from '../testing/curvature-fixture.js';
import { Workbench } from '../testing/workbench.js';

const [largest = 0] = oracle.eigenvalues;

function assertClose(actual: Float64Array | undefined, expected: number[], error: number): void {
  assert.equal(actual?.length, expected.length);
  for (const [i, value] of expected.entries()) {
    const off = Math.abs((actual?.[i] ?? Number.NaN) - value);
    assert.ok(off <= error, `value ${i} is ${actual?.[i]}, off by ${off}`);
  }
}

function assertEigenpairs(tensors: ReadonlyMap<string, Float64Array>, top: number): void {
  assertClose(tensors.get('eigenvalues'), oracle.eigenvalues.slice(0, top), 1e-6 * largest);
  assert.deepEqual([...(tensors.get('converged') ?? [])], Array(top).fill(1));
  const residuals = tensors.get('residuals') ?? new Float64Array(0);
  assert.equal(residuals.length, top);
  assert.ok(residuals.every((residual) => residual > 0 && residual <= 1e-6 * largest));
  // Eigenvectors are off by the residual over the gap, which is 0.03 or more here.
  assertClose(tensors.get('eigenvectors'), oracle.eigenvectors.slice(0, top).flat(), 1e-4);
}

/** What a rejection says. */
async function messageOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => assert.fail('nothing was thrown'),
    (error: Error) => error.message,
  );
}

const ways: Record<string, TaskShape> = {
  'a last batch of its own': {},
  'a padded last batch': { how: 'padded' },
  'a product that reads the data itself': { how: 'direct' },
  'one vector at a time': { vectors: 1 },
  'more vectors at a time than are wanted': { vectors: 16, batch: 64 },
};

for (const [name, shape] of Object.entries(ways)) {
  test(`top eigenpairs: ${name}`, () =>
    Workbench.use({ linalg: 'auto' }, async (bench) => {
      const tensors = await curvatureOf(bench, await curvatureTask(bench, shape));
      assertEigenpairs(tensors, 6);
      assert.deepEqual(
        [...tensors.keys()],
        ['eigenvalues', 'residuals', 'converged', 'products', 'eigenvectors'],
      );
      const [products = 0] = tensors.get('products') ?? [];
      assert.ok(products >= 12 && products <= DIM + 20, `${products} products`);
    }));
}

test('the portable backend finds them, too', () =>
  Workbench.use({ linalg: 'portable' }, async (bench) => {
    assertEigenpairs(await curvatureOf(bench, await curvatureTask(bench)), 6);
  }));

test('all eigenpairs of the block', () =>
  Workbench.use({ linalg: 'auto' }, async (bench) => {
    const tensors = await curvatureOf(bench, await curvatureTask(bench, {}, { top: DIM }));
    assertClose(tensors.get('eigenvalues'), [...oracle.eigenvalues], 1e-6 * largest);
    assert.equal(tensors.get('eigenvectors')?.length, DIM * DIM);
  }));

test('a block that is formed: everything exact to rounding, from as many products as it has rows', () =>
  Workbench.use({ linalg: 'auto' }, async (bench) => {
    const kronecker = await storeKronecker(bench);
    const asked = { top: 6, dense: true, kronecker };
    const tensors = await curvatureOf(bench, await curvatureTask(bench, {}, asked));
    assertClose(tensors.get('eigenvalues'), oracle.eigenvalues.slice(0, 6), 1e-6 * largest);
    assertClose(tensors.get('spectrum'), [...oracle.eigenvalues], 1e-6 * largest);
    assertClose(tensors.get('eigenvectors'), oracle.eigenvectors.slice(0, 6).flat(), 1e-4);
    assertClose(tensors.get('trace'), [oracle.trace, 0], 1e-6 * oracle.trace);
    assertClose(tensors.get('frobenius'), [oracle.frobenius, 0], 1e-6 * oracle.frobenius);
    assertClose(tensors.get('difference_norm'), [oracle.differenceNorm], 1e-6 * largest);
    const { differenceFrobenius } = oracle;
    const error = 1e-6 * differenceFrobenius;
    assertClose(tensors.get('difference_frobenius'), [differenceFrobenius, 0], error);
  }));

test('both ends of the spectrum, by iteration and formed', () =>
  Workbench.use({ linalg: 'auto' }, async (bench) => {
    const expected = [...oracle.eigenvalues.slice(0, 3), ...oracle.eigenvalues.slice(-3)];
    for (const dense of [false, true]) {
      const asked = { top: 6, dense, part: SpectrumPart.BOTH_ENDS };
      const tensors = await curvatureOf(bench, await curvatureTask(bench, {}, asked));
      assertClose(tensors.get('eigenvalues'), expected, 1e-6 * largest);
      const ofTop = tensors.get('eigenvectors')?.subarray(0, 3 * DIM);
      assertClose(ofTop, oracle.eigenvectors.slice(0, 3).flat(), 1e-4);
    }
  }));

test('the trace by Hutch++, with its standard error', () =>
  Workbench.use({ linalg: 'auto' }, async (bench) => {
    const asked = { top: 6, traceSketch: 8, traceProbes: 16 };
    const tensors = await curvatureOf(bench, await curvatureTask(bench, {}, asked));
    const [value = NaN, error = NaN] = tensors.get('trace') ?? [];
    assert.ok(error > 0 && error < 0.05 * oracle.trace, `standard error ${error}`);
    assert.ok(Math.abs(value - oracle.trace) < 4 * error, `${value} instead of ${oracle.trace}`);
  }));

test('rows that do not fit the memory are captured anew: the same bytes', () =>
  Workbench.use({ linalg: 'auto' }, async (bench) => {
    const asked = {
      kronecker: await storeKronecker(bench),
      probes: 6,
      densityProbes: 6,
      densitySteps: 4,
    };
    const bytes = async (memoryBytes: bigint) => {
      const task = await curvatureTask(bench, {}, { ...asked, memoryBytes });
      return await bench.bytes(await bench.executor.execute(asTask(task)));
    };
    // 203 samples of 12 + 5 * 10 float32 numbers: 50344 bytes.
    const kept = await bytes(50_344n);
    assert.deepEqual(await bytes(50_343n), kept);
    assert.deepEqual(await bytes(0n), kept);
  }));

test('one task alone uses all threads: the same bytes', async () => {
  const seen: Uint8Array[] = [];
  for (const parallelism of [1, 2, 5]) {
    await Workbench.use({ linalg: 'auto', parallelism }, async (bench) => {
      const asked = {
        kronecker: await storeKronecker(bench),
        probes: 3,
        densityProbes: 3,
        densitySteps: 3,
      };
      const task = await curvatureTask(bench, { batch: 8 }, asked);
      seen.push(await bench.bytes(await bench.executor.execute(asTask(task))));
      const bad = await curvatureTask(bench, { data: 'bad', batch: 8 });
      const says = await messageOf(bench.executor.execute(asTask(bad)));
      assert.match(says, /cotangents of layer 'fc1' for samples 144 to 151/);
    });
  }
  assert.deepEqual(seen[1], seen[0]);
  assert.deepEqual(seen[2], seen[0]);
});

test('the same bytes on several threads that share the work with other tasks', async () => {
  const seen: Uint8Array[][] = [];
  for (const parallelism of [1, 3]) {
    await Workbench.use({ linalg: 'auto', parallelism }, async (bench) => {
      const shapes: TaskShape[] = [{}, { batch: 64 }, { vectors: 5 }, { how: 'direct' }];
      const results = shapes.map(async (shape) =>
        bench.bytes(await bench.executor.execute(asTask(await curvatureTask(bench, shape)))),
      );
      seen.push(await Promise.all(results));
    });
  }
  assert.deepEqual(seen[1], seen[0]);
});

test('norms of the block and of its difference to the Kronecker product', () =>
  Workbench.use({ linalg: 'auto' }, async (bench) => {
    const kronecker = await storeKronecker(bench);
    for (const top of [0, 8]) {
      const asked = { top, kronecker, probes: 64 };
      const tensors = await curvatureOf(bench, await curvatureTask(bench, {}, asked));
      assert.equal(tensors.has('eigenvalues'), top > 0);
      const [norm = 0] = tensors.get('difference_norm') ?? [];
      const [residual = 1] = tensors.get('difference_residual') ?? [];
      assert.ok(Math.abs(norm / oracle.differenceNorm - 1) < 1e-6, `${norm}`);
      assert.ok(residual <= 1e-4 * norm);
      for (const [name, expected] of [
        ['frobenius', oracle.frobenius],
        ['difference_frobenius', oracle.differenceFrobenius],
      ] as const) {
        const [value = 0, error = 0] = tensors.get(name) ?? [];
        assert.ok(Math.abs(value - expected) < 4 * error, `${name}: ${value} +- ${error}`);
        assert.ok(error < (top > 0 ? 0.04 : 0.15) * expected, `${name}: error ${error}`);
      }
    }
  }));

test('without a Kronecker side only the block is measured', () =>
  Workbench.use({ linalg: 'auto' }, async (bench) => {
    const asked = { top: 0, probes: 12, densityProbes: 12, densitySteps: 20 };
    const tensors = await curvatureOf(bench, await curvatureTask(bench, {}, asked));
    assert.deepEqual([...tensors.keys()], ['frobenius', 'density_nodes', 'density_weights']);
    const nodes = tensors.get('density_nodes') ?? new Float64Array(0);
    const weights = tensors.get('density_weights') ?? new Float64Array(0);
    assert.deepEqual([nodes.length, weights.length], [240, 240]);
    const mean = nodes.reduce((sum, node, i) => sum + node * (weights[i] ?? 0), 0) / 12;
    assert.ok(Math.abs((mean * DIM) / oracle.trace - 1) < 0.15, `trace ${mean * DIM}`);
    for (let probe = 0; probe < 12; probe++) {
      assert.ok(Math.abs((nodes[probe * 20] ?? 0) - largest) < 1e-4 * largest);
    }
  }));

test('a tolerance beyond float32 and too few products: what there is, flagged', () =>
  Workbench.use({ linalg: 'auto' }, async (bench) => {
    const fine = { top: 6, tolerance: 1e-12, mostProducts: 10n ** 6n };
    const precise = await curvatureOf(bench, await curvatureTask(bench, {}, fine));
    assertClose(precise.get('eigenvalues'), oracle.eigenvalues.slice(0, 6), 1e-6 * largest);
    assert.deepEqual([...(precise.get('converged') ?? [])], Array(6).fill(0));
    assert.ok((precise.get('products')?.[0] ?? 0) < 500);
    const few = { top: 6, mostProducts: 20n };
    const early = await curvatureOf(bench, await curvatureTask(bench, {}, few));
    assert.ok(early.get('converged')?.includes(0));
    assert.ok(early.get('residuals')?.every((residual) => residual < largest));
  }));

test('results are recorded; progress names layer, measure, iteration and residual', async () => {
  const seen: Progress[] = [];
  const onProgress = (progress: Progress) => seen.push(progress);
  await Workbench.use({ linalg: 'auto', onProgress }, async (bench) => {
    const asked = {
      kronecker: await storeKronecker(bench),
      probes: 4,
      densityProbes: 4,
      densitySteps: 3,
    };
    const task = await curvatureTask(bench, {}, asked);
    const result = await bench.executor.execute(asTask(task));
    const reports = seen.length;
    assert.deepEqual(await bench.executor.execute(asTask(task)), result);
    assert.equal(seen.length, reports, 'nothing was computed again');
    assert.ok(seen.every(({ taskId, done, total }) => taskId === result.taskId && done <= total));
    assert.ok(seen.every(({ done }, i) => i === 0 || done >= (seen[i - 1]?.done ?? 0n)));
    const whats = seen.map(({ what }) => what);
    assert.match(whats[2] ?? '', /^'fc1': iteration 3, \d\/6 pairs, residual \d\.\de-\d+$/);
    for (const says of [/norm of the difference/, /Frobenius norms/, /spectral density/]) {
      assert.ok(whats.some((what) => says.test(what)));
    }
  });
});

test('cancelling ends the task, and the thread goes on with others', async () => {
  const controller = new AbortController();
  const onProgress = () => controller.abort();
  await Workbench.use({ linalg: 'auto', onProgress }, async (bench) => {
    const endless = { top: 6, tolerance: 0, mostProducts: 10n ** 9n };
    const task = await curvatureTask(bench, {}, endless);
    const running = bench.executor.execute(asTask(task), { signal: controller.signal });
    await assert.rejects(running, CancelledError);
    assertEigenpairs(await curvatureOf(bench, await curvatureTask(bench)), 6);
  });
});

test('closing the executor calls the task off', async () => {
  let running: Promise<void> | undefined;
  let started: () => void = () => {};
  const begun = new Promise<void>((resolve) => {
    started = resolve;
  });
  await Workbench.use({ linalg: 'auto', onProgress: () => started() }, async (bench) => {
    const task = await curvatureTask(bench, {}, { top: 60, tolerance: 0 });
    running = assert.rejects(bench.executor.execute(asTask(task)), CancelledError);
    await begun;
  });
  await running;
});

test('samples that make the model overflow are named', () =>
  Workbench.use({ linalg: 'auto' }, async (bench) => {
    for (const memoryBytes of [0n, 10n ** 9n]) {
      const task = await curvatureTask(bench, { data: 'bad' }, { memoryBytes });
      const says = await messageOf(bench.executor.execute(asTask(task)));
      assert.match(says, /^(NaN|infinity) in the cotangents of layer 'fc1' for samples 144 to 159/);
    }
    const direct = await curvatureTask(bench, { data: 'bad', how: 'direct' });
    const says = await messageOf(bench.executor.execute(asTask(direct)));
    assert.match(says, /^(NaN|infinity) in the product of layer 'fc1' for samples 0 to 202/);
  }));

test('tasks whose parts do not fit together are refused', () =>
  Workbench.use({ linalg: 'auto' }, async (bench) => {
    const kronecker = await storeKronecker(bench);
    const refusal = async (change: (task: CurvatureTask, operator: Operator) => void) => {
      const task = await curvatureTask(bench, {}, { kronecker });
      change(task, task.operator ?? create(OperatorSchema));
      return await messageOf(bench.executor.execute(asTask(task)));
    };
    const other = await storeCurvatureProgram(bench, 'product', 16, 5);
    const unfed = await storeCurvatureProgram(bench, 'product', 16, 4, ([x]) => {
      if (x !== undefined) x.name = 'kl/y';
    });
    const [block] = kronecker;
    assert.ok(block !== undefined);
    const cases: [RegExp, (task: CurvatureTask, operator: Operator) => void][] = [
      [/'fc1': the task has no operator$/, (task) => delete task.operator],
      [
        /121 eigenpairs are asked for, but its block has 120$/,
        (task) => Object.assign(task, { top: 121 }),
      ],
      [
        /has no square matrix 'none'$/,
        (task) => task.kronecker.splice(0, 1, { ...block, output: 'none' }),
      ],
      [
        /2 Kronecker products of 10 x 10 and 12 x 12 .* block of 120$/,
        (task) => task.kronecker.push(block),
      ],
      [
        /products differ: 'product of 16', 'product of 11'$/,
        (_, to) => Object.assign(to, { product: other }),
      ],
      [
        /takes rows 'kl\/y' .*, which nothing captures$/,
        (_, to) => Object.assign(to, { product: unfed }),
      ],
      [
        /one input of vectors and one output$/,
        (_, to) => Object.assign(to, { product: to.capture }),
      ],
      [/'x' has 203 samples, but 219 are/, (_, to) => Object.assign(to, { samples: 219n })],
    ];
    for (const [says, change] of cases) assert.match(await refusal(change), says);
  }));
