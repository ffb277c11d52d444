// ONNX Runtime behind the Evaluator interface, for tests that have no worker at hand.
import ort from 'onnxruntime-node';
import type { Evaluator } from '../graph/evaluator.js';
import type { DType, Tensor } from '../graph/graph.js';

// Tests report nothing to ONNX Runtime's makers; the worker has a module for that, which is out of reach here.
process.env.ORT_DISABLE_TELEMETRY ??= '1';

/** The array that onnxruntime-node wants for each element type; it has none for bfloat16. */
const ARRAYS: Partial<Record<DType, (buffer: ArrayBuffer) => ort.Tensor['data']>> = {
  float32: (buffer) => new Float32Array(buffer),
  float64: (buffer) => new Float64Array(buffer),
  float16: (buffer) => new Uint16Array(buffer),
  int64: (buffer) => new BigInt64Array(buffer),
  int32: (buffer) => new Int32Array(buffer),
  int16: (buffer) => new Int16Array(buffer),
  int8: (buffer) => new Int8Array(buffer),
  uint64: (buffer) => new BigUint64Array(buffer),
  uint32: (buffer) => new Uint32Array(buffer),
  uint16: (buffer) => new Uint16Array(buffer),
  uint8: (buffer) => new Uint8Array(buffer),
  bool: (buffer) => new Uint8Array(buffer),
};

/** A model that is held ready to be run several times. */
export interface Session {
  /** The element types of the model's outputs. */
  readonly dtypes: ReadonlyMap<string, DType>;
  run(
    feeds: ReadonlyMap<string, Tensor>,
    fetch: readonly string[],
  ): Promise<ReadonlyMap<string, Tensor>>;
  release(): Promise<void>;
}

/** Opens a model in this process on one thread, without graph optimisations. */
export async function openSession(model: Uint8Array): Promise<Session> {
  const session = await ort.InferenceSession.create(model, {
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  const dtypes = new Map<string, DType>();
  for (const output of session.outputMetadata)
    if (output.isTensor) dtypes.set(output.name, output.type as DType);
  return {
    dtypes,
    async run(feeds, fetch) {
      const given: Record<string, ort.Tensor> = {};
      for (const [name, tensor] of feeds) given[name] = toRuntime(name, tensor);
      const results = await session.run(given, [...fetch]);
      const tensors = new Map<string, Tensor>();
      for (const name of fetch) {
        const result = results[name];
        if (result === undefined) throw new Error(`the model has no output '${name}'`);
        tensors.set(name, fromRuntime(result));
      }
      return tensors;
    },
    release: () => session.release(),
  };
}

/** Opens a session for every run. */
export const ortEvaluator: Evaluator = {
  async evaluate(model, feeds, fetch) {
    const session = await openSession(model);
    try {
      const tensors = fetch.length === 0 ? new Map() : await session.run(feeds, fetch);
      return { tensors, dtypes: session.dtypes };
    } finally {
      await session.release();
    }
  },
};

function toRuntime(name: string, { dtype, shape, bytes }: Tensor): ort.Tensor {
  const array = ARRAYS[dtype];
  if (array === undefined) throw new Error(`input '${name}': no ${dtype} in onnxruntime-node`);
  const buffer = Uint8Array.from(bytes).buffer;
  return new ort.Tensor(dtype as 'float32', array(buffer) as Float32Array, [...shape]);
}

function fromRuntime(tensor: ort.Tensor): Tensor {
  const data = tensor.data;
  if (!ArrayBuffer.isView(data)) throw new Error('a string tensor has no bytes');
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { dtype: tensor.type as DType, shape: tensor.dims, bytes };
}
