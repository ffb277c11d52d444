// Runs an analysis in this process into a temporary folder, for tests that look at result files.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openEmbedded } from '../embedded.js';
import type { AnalysisOptions, ExecutionOptions } from '../plan/options.js';
import { type AnalysisOutcome, runAnalysis } from '../plan/run-analysis.js';

export const DEFAULTS: AnalysisOptions = {
  loss: undefined,
  layers: [],
  exclude: [],
  split: undefined,
  measures: ['factors', 'eigen', 'structure'],
  top: 50,
  dense: 1024,
  tolerance: 1e-6,
  outputHessian: 'exact',
  mcSamples: 1,
  curvature: 'ggn',
  which: 'magnitude',
  blocks: [],
  includeAffine: false,
  cross: false,
  tokenLoss: 'mean',
  ignoreIndex: -100,
  sharing: 'expand',
  bias: 'separate',
  ekfac: false,
  fullHessian: false,
  classMeans: false,
  density: undefined,
  probes: 8,
  samples: undefined,
  seed: 0,
  batch: undefined,
  memoryBytes: 2 ** 32,
  scale: undefined,
  skipUnsupported: false,
  device: 'cpu',
  linalg: 'auto',
};

const SILENT = { begin() {}, update() {}, end() {}, note() {} };

/** @returns the run's record and its result folder, which is removed after the test */
export async function analyse(
  t: TestContext,
  execution: Pick<ExecutionOptions, 'model' | 'data'> & Partial<ExecutionOptions>,
  options: Partial<AnalysisOptions> = {},
): Promise<AnalysisOutcome & { readonly folder: string }> {
  const root = await mkdtemp(join(tmpdir(), 'kronlens-test-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const folder = join(root, 'out');
  const all = { ...DEFAULTS, ...options };
  const engine = await openEmbedded({
    storeFolder: join(folder, '.kronlens'),
    parallel: execution.parallel ?? 1,
    signal: new AbortController().signal,
    device: all.device,
    linalg: all.linalg,
  });
  try {
    const request = {
      options: all,
      execution: {
        labels: undefined,
        shard: undefined,
        parallel: 1,
        resume: false,
        ...execution,
        out: folder,
      },
    };
    return { ...(await runAnalysis(request, engine, SILENT)), folder };
  } finally {
    await engine.close();
  }
}
