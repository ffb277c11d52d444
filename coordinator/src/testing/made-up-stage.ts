// A pass over data for layers that do not exist, as the bookkeeping sees it.
import {
  create,
  DataArraySchema,
  ElementType,
  ProgramOutputSchema,
  ProgramSchema,
  Reduction,
} from '@kronlens/proto';
import type { FactorStage } from '../plan/factor-stage.js';

/**
 * @param programs that the layers are spread over
 * @param shards of each
 */
export function madeUpStage(programs: number, shards: number): FactorStage {
  const array = (name: string) =>
    create(DataArraySchema, {
      name,
      path: `/data/${name}.npy`,
      type: ElementType.FLOAT32,
      shape: [BigInt(shards), 784n],
      sha256: name.padEnd(64, '0'),
    });
  const outputs = ['input', 'output', 'mean'].map((name) =>
    create(ProgramOutputSchema, { name, reduction: Reduction.SUM, shape: [64n, 64n] }),
  );
  return {
    plan: {
      batch: 1,
      programs: Array.from({ length: programs }, (_, index) => ({
        layers: [`layer${index}`],
        full: {
          model: new TextEncoder().encode(`model ${index}`),
          manifest: create(ProgramSchema, { outputs }),
        },
        tail: undefined,
      })),
      folds: new Map(),
    },
    arrays: [array('x'), array('y')],
    samples: shards,
    seed: 0,
    shard: 1,
  };
}
