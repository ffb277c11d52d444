// One small run for tests of clusters: how it is asked for, and the bytes that it has to give.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { examplePath, kronlens } from './kronlens-process.js';
import { digests, temporaryFolder } from './result-folder.js';
import { TestCluster } from './test-cluster.js';

export const MLP = examplePath('digits/mlp.onnx');
export const DIGITS = examplePath('digits/digits.npz');
export const SAMPLES = 640;
export const BATCH = 8;

/** The arguments of an analysis of the small example, cut into many tasks. */
export const analyze = (out: string, ...more: readonly string[]) => [
  ...['analyze', MLP, '--data', DIGITS, '--out', out, '--samples', String(SAMPLES)],
  ...['--measure', 'factors,eigen', '--batch', String(BATCH), ...more],
];

/** A cluster of this test's own, and a folder for its results; both are removed after it. */
export async function newCluster(t: TestContext, guarded = false) {
  const cluster = await TestCluster.start(guarded);
  const { folder, remove } = await temporaryFolder();
  t.after(async () => {
    await cluster.remove();
    await remove();
  });
  return { cluster, folder };
}

/** The bytes that every run has to give. */
let embedded: Promise<Record<string, string>> | undefined;
export function expected(): Promise<Record<string, string>> {
  embedded ??= (async () => {
    const { folder, remove } = await temporaryFolder();
    try {
      const { code, stderr } = await kronlens(...analyze(folder));
      assert.equal(code, 0, stderr);
      return await digests(folder);
    } finally {
      await remove();
    }
  })();
  return embedded;
}
