// Linear algebra without native code: right for small matrices, slow for large ones.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { CancelledError } from '@kronlens/proto';
import { copyFinite, copySymmetric, requireShape } from '../checked-copy.js';
import { NoConvergenceError } from '../linalg-error.js';
import type {
  LinearAlgebra,
  OrthogonalTriangular,
  ProductShape,
  SingularValues,
  SymmetricEigen,
} from '../linear-algebra.js';
import { descendingEigenpairs, fixSingularSigns, positiveDiagonal } from '../normal-form.js';
import { mirrorUpper } from '../triangle.js';
import type { Operation, Reply, Request, Results } from './thread-messages.js';

interface Pending {
  readonly what: string;
  readonly resolve: (result: Results[keyof Results]) => void;
  readonly reject: (error: Error) => void;
}

/** The portable backend: ml-matrix on one worker thread, which starts at the first call. */
export function createPortable(warning?: string): LinearAlgebra {
  return new Portable(warning);
}

class Portable implements LinearAlgebra {
  readonly name = 'portable';
  readonly library: string;
  readonly warning?: string;
  #thread: Worker | undefined;
  #lastId = 0;
  readonly #pending = new Map<number, Pending>();

  constructor(warning?: string) {
    this.library = `ml-matrix ${libraryVersion()} (pure JavaScript)`;
    if (warning !== undefined) this.warning = warning;
  }

  async eigh(matrix: Float64Array, n: number): Promise<SymmetricEigen> {
    requireShape(matrix, n, n);
    if (n === 0) return { values: new Float64Array(0), vectors: new Float64Array(0) };
    const copy = new Float64Array(matrix.length);
    copySymmetric(matrix, n, copy);
    const scale = normalise(copy);
    const size = `${n} x ${n}`;
    const { values, vectors } = await this.#run({ name: 'eigh', matrix: copy, n }, size, [copy]);
    return descendingEigenpairs(unscaled(values, scale), vectors, n, 'the eigendecomposition');
  }

  async gemm(a: Float64Array, b: Float64Array, shape: ProductShape): Promise<Float64Array> {
    const { rows, inner, columns } = shape;
    requireShape(a, rows, inner);
    requireShape(b, inner, columns);
    if (rows === 0 || columns === 0 || inner === 0) return new Float64Array(rows * columns);
    const [left, right] = [a.slice(), b.slice()];
    const operation = { name: 'gemm', a: left, b: right, shape } as const;
    return this.#run(operation, `${rows} x ${inner} x ${columns}`, [left, right]);
  }

  async addGemm(
    into: Float64Array,
    factor: number,
    a: Float64Array,
    b: Float64Array,
    shape: ProductShape,
  ): Promise<void> {
    requireShape(into, shape.rows, shape.columns);
    const product = await this.gemm(a, b, shape);
    for (let i = 0; i < into.length; i++) {
      into[i] = (into[i] as number) + factor * (product[i] as number);
    }
  }

  async syrk(a: Float64Array, rows: number, columns: number): Promise<Float64Array> {
    requireShape(a, rows, columns);
    if (a.length === 0) return new Float64Array(columns * columns);
    const copy = a.slice();
    const operation = { name: 'syrk', a: copy, rows, columns } as const;
    const gram = await this.#run(operation, `${rows} x ${columns}`, [copy]);
    mirrorUpper(gram, columns);
    return gram;
  }

  async svd(a: Float64Array, rows: number, columns: number): Promise<SingularValues> {
    requireShape(a, rows, columns);
    if (a.length === 0) {
      return { u: new Float64Array(0), values: new Float64Array(0), vt: new Float64Array(0) };
    }
    const copy = new Float64Array(a.length);
    copyFinite(a, rows, columns, copy);
    const scale = normalise(copy);
    const operation = { name: 'svd', a: copy, rows, columns } as const;
    const raw = await this.#run(operation, `${rows} x ${columns}`, [copy]);
    const { u, vt } = raw;
    const values = unscaled(raw.values, scale);
    return fixSingularSigns({ u, values, vt }, rows, columns, 'the singular value decomposition');
  }

  async qr(a: Float64Array, rows: number, columns: number): Promise<OrthogonalTriangular> {
    requireShape(a, rows, columns);
    if (a.length === 0) return { q: new Float64Array(0), r: new Float64Array(0) };
    const copy = new Float64Array(a.length);
    copyFinite(a, rows, columns, copy);
    const operation = { name: 'qr', a: copy, rows, columns } as const;
    const raw = await this.#run(operation, `${rows} x ${columns}`, [copy]);
    return positiveDiagonal(raw, rows, columns);
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
  }

  /** @param handedOver arrays of the operation that the caller has no more use for */
  #run<O extends Operation>(
    operation: O,
    size: string,
    handedOver: readonly Float64Array<ArrayBuffer>[],
  ): Promise<Results[O['name']]> {
    const thread = this.#start();
    const id = ++this.#lastId;
    const what = `${operation.name} of size ${size}`;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, {
        what,
        resolve: (result) => resolve(result as Results[O['name']]),
        reject,
      });
      // Only while there is something to wait for does the thread keep the process alive.
      thread.ref();
      const request: Request = { id, operation };
      thread.postMessage(
        request,
        handedOver.map((array) => array.buffer),
      );
    });
  }

  #start(): Worker {
    if (this.#thread !== undefined) return this.#thread;
    // Options of this process such as --input-type would not fit the thread.
    const thread = new Worker(new URL('./thread.js', import.meta.url), { execArgv: [] });
    thread.unref();
    thread.on('message', (reply: Reply) => this.#settle(reply));
    thread.on('error', (error) => this.#fail(() => error));
    thread.on('exit', () => {
      this.#thread = undefined;
      this.#fail((what) => new CancelledError(what));
    });
    this.#thread = thread;
    return thread;
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#thread?.unref();
    if ('error' in reply) {
      pending?.reject(new NoConvergenceError('ml-matrix', pending.what, reply.error));
    } else pending?.resolve(reply.result);
  }

  #fail(error: (what: string) => unknown): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { what, reject } of pending) reject(error(what) as Error);
  }
}

/**
 * Divides all values, in place, by a power of two such that the largest is about 1: the algorithms
 * square them, which must not underflow. LAPACK's routines do the like themselves.
 * @returns the power
 */
function normalise(values: Float64Array): number {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (largest === 0) return 1;
  const exponent = Math.max(-1000, Math.min(1000, Math.round(Math.log2(largest))));
  const scale = 2 ** exponent;
  for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) / scale;
  return scale;
}

const unscaled = (values: Float64Array, scale: number): Float64Array =>
  values.map((value) => value * scale);

function libraryVersion(): string {
  const main = createRequire(import.meta.url).resolve('ml-matrix');
  const manifest = readFileSync(join(dirname(main), 'package.json'), 'utf8');
  return String((JSON.parse(manifest) as { version?: unknown }).version);
}
