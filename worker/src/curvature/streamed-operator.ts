// An operator in a pool thread: the sum over a share of the batches of what its programs multiply vectors by.
import { ElementType } from '@kronlens/proto';
import type ort from 'onnxruntime-node';
import type { JobContext } from '../pool/serve-jobs.js';
import { runtimeTensor } from '../session/tensor-types.js';
import { TreeSum } from '../sum/tree-sum.js';
import type { OperatorJob, ProductMemory, ProductRequest } from './operator-job.js';
import { PartSessions } from './operator-part.js';

interface Slot {
  readonly values: Float32Array;
  readonly tensor: ort.Tensor;
}

export class StreamedOperator {
  readonly #job: OperatorJob;
  readonly #parts: readonly PartSessions[];
  readonly #shape: readonly number[];
  readonly #product: Slot;
  /** Memory for the vectors of as many executions as there were at a time. */
  readonly #probes: Slot[] = [];
  /** Where vectors come from and sums go to. */
  #memory: ProductMemory | undefined;
  /** Memory for partial sums. */
  readonly #spare: Float64Array[] = [];

  private constructor(job: OperatorJob, parts: readonly PartSessions[]) {
    this.#job = job;
    this.#parts = parts;
    this.#shape = job.output.shape.map(Number);
    this.#product = this.#slot();
  }

  /**
   * Loads the programs; captures all rows when they are to be kept.
   * @throws as `PartSessions.open` and `PartSessions.captured`
   */
  static async open(job: OperatorJob, context: JobContext): Promise<StreamedOperator> {
    const parts: PartSessions[] = [];
    try {
      for (const part of job.parts) {
        const sessions = await PartSessions.open(job, part, context);
        parts.push(sessions);
        if (job.keep) await sessions.keepAll(context);
      }
      return new StreamedOperator(job, parts);
    } catch (error) {
      for (const part of parts) await part.release();
      throw error;
    }
  }

  /** Memory for the vectors or the products of one execution. */
  #slot(): Slot {
    const length = this.#shape.reduce((product, size) => product * size, 1);
    const values = new Float32Array(length);
    return { values, tensor: runtimeTensor(ElementType.FLOAT32, values, this.#shape) };
  }

  /**
   * Products with vectors [count, dim], in float32 over a batch and in float64, by the tree over
   * batches, beyond. The bytes do not depend on whether rows are kept.
   * @throws CancelledError, and as `PartSessions.captured`
   */
  async apply({ memory, count }: ProductRequest, context: JobContext): Promise<void> {
    if (memory !== undefined) this.#memory = memory;
    if (this.#memory === undefined) throw new Error('no memory was lent to the operator');
    const { vectors, sums } = this.#memory;
    const { vectors: block, dim, keep } = this.#job;
    // Rows that are captured anew are used for all vectors at once; otherwise sums are less memory.
    const together = keep ? block : count;
    for (let first = 0; first < count; first += together) {
      const end = Math.min(count, first + together) * dim;
      const range = vectors.subarray(first * dim, end);
      await this.#multiply(range, sums.subarray(first * dim, end), context);
    }
  }

  async #multiply(vectors: Float64Array, sums: Float64Array, context: JobContext): Promise<void> {
    const { vectors: block, dim, probe, firstBatch } = this.#job;
    const step = block * dim;
    const executions = Array.from({ length: Math.ceil(vectors.length / step) }, (_, i) => {
      const slot = this.#probes[i] ?? this.#slot();
      this.#probes[i] = slot;
      const own = vectors.subarray(i * step, (i + 1) * step);
      slot.values.set(own);
      slot.values.fill(0, own.length);
      const into = sums.subarray(i * step, (i + 1) * step);
      // A sum is over whole executions: of the last one some vectors may be padding.
      const memory = into.length === step ? into : new Float64Array(step);
      return {
        tensor: slot.tensor,
        into,
        sum: new TreeSum(firstBatch, { into: memory, spare: this.#spare }),
      };
    });
    for (const part of this.#parts) {
      for (let batch = 0; batch < part.batches; batch++) {
        const rows = { ...(await part.captured(batch, context)), ...(await part.data(batch)) };
        for (const { tensor, sum } of executions) {
          await part.multiply({ ...rows, [probe]: tensor }, this.#product.tensor, context);
          sum.add(this.#product.values);
        }
      }
    }
    for (const { sum, into } of executions) {
      const finished = sum.finish();
      if (finished.length > into.length) into.set(finished.subarray(0, into.length));
    }
  }

  async release(): Promise<void> {
    for (const part of this.#parts) await part.release();
  }
}
