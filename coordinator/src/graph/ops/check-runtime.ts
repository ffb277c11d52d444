// Temporary: encodes and runs small graphs for the table's test until the codec and the evaluator are there.
import ort from 'onnxruntime-node';
import type { Evaluator } from '../evaluator.js';
import type { Attribute, DType, Graph, Node, ShapedGraph, Tensor, TensorType } from '../graph.js';

const CODES: Partial<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
};

function varint(value: number): number[] {
  let v = BigInt.asUintN(64, BigInt(value));
  const out: number[] = [];
  do {
    const low = Number(v & 127n);
    v >>= 7n;
    out.push(v > 0n ? low | 128 : low);
  } while (v > 0n);
  return out;
}
type Part = Uint8Array;
const cat = (parts: readonly Part[]): Uint8Array => Buffer.concat(parts);
const num = (field: number, value: number): Part =>
  Uint8Array.from([...varint(field << 3), ...varint(value)]);
const blob = (field: number, bytes: Uint8Array): Part =>
  cat([Uint8Array.from([...varint((field << 3) | 2), ...varint(bytes.length)]), bytes]);
const str = (field: number, text: string): Part => blob(field, Buffer.from(text));
const f32 = (field: number, value: number): Part =>
  cat([Uint8Array.from(varint((field << 3) | 5)), new Uint8Array(Float32Array.of(value).buffer)]);

function tensor(t: Tensor, name = ''): Uint8Array {
  return cat([
    ...t.shape.map((d) => num(1, d)),
    num(2, CODES[t.dtype] ?? 0),
    str(8, name),
    blob(9, t.bytes),
  ]);
}

function attribute(name: string, a: Attribute): Uint8Array {
  const head = str(1, name);
  switch (a.kind) {
    case 'int':
      return cat([head, num(3, a.value), num(20, 2)]);
    case 'float':
      return cat([head, f32(2, a.value), num(20, 1)]);
    case 'string':
      return cat([head, str(4, a.value), num(20, 3)]);
    case 'ints':
      return cat([head, ...a.value.map((v) => num(8, v)), num(20, 7)]);
    case 'floats':
      return cat([head, ...a.value.map((v) => f32(7, v)), num(20, 6)]);
    case 'strings':
      return cat([head, ...a.value.map((v) => str(9, v)), num(20, 8)]);
    case 'tensor':
      return cat([head, blob(5, tensor(a.value)), num(20, 4)]);
    case 'other':
      throw new Error('attribute kind');
  }
}

function node(n: Node): Uint8Array {
  return cat([
    ...n.inputs.map((v) => str(1, v)),
    ...n.outputs.map((v) => str(2, v)),
    str(3, n.name),
    str(4, n.op),
    ...Object.entries(n.attributes).map(([name, a]) => blob(5, attribute(name, a))),
  ]);
}

function info(name: string, dtype: DType, shape: readonly (number | string)[]): Uint8Array {
  const dims = cat(shape.map((d) => blob(1, typeof d === 'number' ? num(1, d) : str(2, d))));
  return cat([str(1, name), blob(2, blob(1, cat([num(1, CODES[dtype] ?? 0), blob(2, dims)])))]);
}

export function encodeModel(graph: Graph): Uint8Array {
  const g = cat([
    ...graph.nodes.map((n) => blob(1, node(n))),
    str(2, 'g'),
    ...[...graph.initializers].map(([name, t]) => blob(5, tensor(t, name))),
    ...graph.inputs.map((v) => blob(11, info(v.name, v.dtype, v.shape ?? []))),
    ...graph.outputs.map((v) => blob(12, str(1, v.name))),
  ]);
  return cat([num(1, 9), blob(7, g), blob(8, cat([str(1, ''), num(2, graph.opset)]))]);
}

const ARRAYS: Partial<Record<DType, (b: ArrayBuffer) => ort.Tensor['data']>> = {
  float32: (b) => new Float32Array(b),
  float64: (b) => new Float64Array(b),
  int64: (b) => new BigInt64Array(b),
  int32: (b) => new Int32Array(b),
  bool: (b) => new Uint8Array(b),
  uint8: (b) => new Uint8Array(b),
};

export const ortEvaluator: Evaluator = {
  async evaluate(model, feeds, fetch) {
    const session = await ort.InferenceSession.create(model, {
      graphOptimizationLevel: 'disabled',
      intraOpNumThreads: 1,
      logSeverityLevel: 3,
    });
    const given: Record<string, ort.Tensor> = {};
    for (const [name, t] of feeds) {
      const buffer = t.bytes.buffer.slice(
        t.bytes.byteOffset,
        t.bytes.byteOffset + t.bytes.byteLength,
      ) as ArrayBuffer;
      given[name] = new ort.Tensor(
        t.dtype as 'float32',
        ARRAYS[t.dtype]?.(buffer) as Float32Array,
        [...t.shape],
      );
    }
    const got = await session.run(given, [...fetch]);
    await session.release();
    const tensors = new Map<string, Tensor>();
    const dtypes = new Map<string, DType>();
    for (const name of fetch) {
      const t = got[name] as ort.Tensor;
      const data = t.data as Float32Array;
      tensors.set(name, {
        dtype: t.type as DType,
        shape: t.dims,
        bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      });
      dtypes.set(name, t.type as DType);
    }
    return { tensors, dtypes };
  },
};

/** Runs the graph once with every value as an output. */
export async function observe(
  graph: Graph,
  feeds: ReadonlyMap<string, Tensor>,
): Promise<ShapedGraph> {
  const values = graph.nodes.flatMap((n) => n.outputs.filter((o) => o !== ''));
  const all = {
    ...graph,
    outputs: values.map((name) => ({ name, dtype: 'float32' as const, shape: undefined })),
  };
  const { tensors } = await ortEvaluator.evaluate(encodeModel(all), feeds, values);
  const types = new Map<string, TensorType>();
  for (const source of [graph.initializers, feeds, tensors])
    for (const [name, t] of source) types.set(name, { dtype: t.dtype, shape: t.shape });
  return { ...graph, types };
}
