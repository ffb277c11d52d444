// Making and reading constant tensors.
import type { DType, Tensor } from './graph.js';

/** Bytes of one element; string tensors have no fixed size and are never read by us. */
export const ELEMENT_BYTES: Readonly<Record<Exclude<DType, 'string'>, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  bool: 1,
};

const LARGEST_INT64 = 2n ** 63n - 1n;

/**
 * The nearest int64: the largest one, which stands for "to the end" in Slice, is 2^63 once it is a
 * JavaScript number.
 */
export function toInt64(value: number): bigint {
  const exact = BigInt(value);
  return exact > LARGEST_INT64 ? LARGEST_INT64 : exact;
}

/** A tensor of integers (int64 unless said otherwise); a scalar when `shape` is []. */
export function intTensor(
  values: readonly number[],
  shape: readonly number[] = [values.length],
  dtype: 'int64' | 'int32' = 'int64',
): Tensor {
  const bytes =
    dtype === 'int64'
      ? new Uint8Array(BigInt64Array.from(values, toInt64).buffer)
      : new Uint8Array(Int32Array.from(values).buffer);
  return { dtype, shape, bytes };
}

/** A tensor of floating-point numbers. */
export function floatTensor(
  values: ArrayLike<number>,
  shape: readonly number[],
  dtype: 'float32' | 'float64' = 'float32',
): Tensor {
  const typed = dtype === 'float32' ? Float32Array.from(values) : Float64Array.from(values);
  return { dtype, shape, bytes: new Uint8Array(typed.buffer) };
}

/** A tensor of booleans. */
export function boolTensor(values: readonly boolean[], shape: readonly number[]): Tensor {
  return { dtype: 'bool', shape, bytes: Uint8Array.from(values, Number) };
}

function aligned(tensor: Tensor): ArrayBufferLike {
  return tensor.bytes.buffer.slice(
    tensor.bytes.byteOffset,
    tensor.bytes.byteOffset + tensor.bytes.byteLength,
  );
}

function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * As `tensorNumbers`, as an array of the type where it is floating-point: for tensors that may be large. It may
 * share the tensor's memory.
 */
export function tensorElements(tensor: Tensor): ArrayLike<number> {
  const { dtype, bytes } = tensor;
  const { byteOffset, byteLength } = bytes;
  const [buffer, start] = byteOffset % 8 === 0 ? [bytes.buffer, byteOffset] : [aligned(tensor), 0];
  if (dtype === 'float32') return new Float32Array(buffer, start, byteLength / 4);
  if (dtype === 'float64') return new Float64Array(buffer, start, byteLength / 8);
  return tensorNumbers(tensor);
}

/** The elements as JavaScript numbers (booleans as 0 and 1). @throws for string tensors. */
export function tensorNumbers(tensor: Tensor): number[] {
  const buffer = aligned(tensor);
  switch (tensor.dtype) {
    case 'float32':
      return [...new Float32Array(buffer)];
    case 'float64':
      return [...new Float64Array(buffer)];
    case 'float16':
      return Array.from(new Uint16Array(buffer), halfToNumber);
    case 'bfloat16':
      return [
        ...new Float32Array(Uint32Array.from(new Uint16Array(buffer), (x) => x << 16).buffer),
      ];
    case 'int8':
      return [...new Int8Array(buffer)];
    case 'int16':
      return [...new Int16Array(buffer)];
    case 'int32':
      return [...new Int32Array(buffer)];
    case 'int64':
      return Array.from(new BigInt64Array(buffer), Number);
    case 'uint8':
    case 'bool':
      return [...new Uint8Array(buffer)];
    case 'uint16':
      return [...new Uint16Array(buffer)];
    case 'uint32':
      return [...new Uint32Array(buffer)];
    case 'uint64':
      return Array.from(new BigUint64Array(buffer), Number);
    case 'string':
      throw new Error('a string tensor has no numbers');
  }
}
