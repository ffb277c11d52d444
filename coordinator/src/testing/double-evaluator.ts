// Runs models of float64 values by scripts/run-in-double.py: ONNX Runtime lacks kernels for convolutions and pools.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DType, Evaluator, Tensor } from '../graph/index.js';
import { ConstantsFolder } from '../plan/constants-folder.js';
import { npyBytes } from './npy-file.js';
import { parseNpy } from './npz-file.js';

const SCRIPT = fileURLToPath(new URL('../../../scripts/run-in-double.py', import.meta.url));
/** Written whatever the model's size, so that the folder is there. */
const PADDING = new Uint8Array(2 ** 20);

/**
 * For one evaluation with large constants.
 * @param python an interpreter with onnx and PyTorch
 */
export async function withDoubleEvaluator<T>(
  python: string,
  work: (evaluator: Evaluator) => Promise<T>,
): Promise<T> {
  const constants = await ConstantsFolder.create();
  try {
    if (constants.place(PADDING) === undefined) throw new Error('no room for a temporary file');
    return await work({
      constants,
      async evaluate(model, feeds, fetch) {
        // Models and the constants that they refer to have to lie together.
        const path = (name: string) => join(constants.folder, name);
        writeFileSync(path('model.onnx'), model);
        for (const folder of ['feeds', 'out']) mkdirSync(path(folder), { recursive: true });
        [...feeds.values()].forEach((feed, index) => {
          writeFileSync(path(`feeds/${index}.npy`), npy(feed));
        });
        const names = ['model.onnx', 'feeds', 'out'].map(path);
        execFileSync(python, [SCRIPT, ...names], { stdio: ['ignore', 'ignore', 'pipe'] });
        const tensors = new Map<string, Tensor>();
        const dtypes = new Map<string, DType>();
        fetch.forEach((name, index) => {
          const found = parseNpy(readFileSync(path(`out/${index}.npy`)));
          tensors.set(name, found);
          dtypes.set(name, found.dtype);
        });
        return { tensors, dtypes };
      },
    });
  } finally {
    constants.close();
  }
}

function npy({ dtype, shape, bytes }: Tensor): Uint8Array {
  const { buffer } = Uint8Array.from(bytes);
  if (dtype === 'float64') return npyBytes(new Float64Array(buffer), shape);
  if (dtype === 'int64') return npyBytes(new BigInt64Array(buffer), shape);
  throw new Error(`feeds are float64 or int64, not ${dtype}`);
}
