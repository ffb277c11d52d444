// The ONNX format's numbers: element types, attribute types, and the versions that are supported.
import type { DType } from '../graph.js';

/** The oldest opset of the standard domain that is read. */
export const OLDEST_OPSET = 9;
/** The newest opset of the standard domain that ONNX Runtime 1.30 executes. */
export const NEWEST_OPSET = 26;
/** The format's limit: a serialised message is smaller than 2 GiB. */
export const LARGEST_MESSAGE_BYTES = 2 ** 31 - 1;

/** TensorProto.data_type of the element types that tensors may have here. */
export const ELEMENT_TYPE: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
};

const DTYPES: ReadonlyMap<number, DType> = new Map(
  Object.entries(ELEMENT_TYPE).map(([dtype, number]) => [number, dtype as DType]),
);

const OTHER_ELEMENT_TYPES: ReadonlyMap<number, string> = new Map([
  [0, 'undefined'],
  [14, 'complex64'],
  [15, 'complex128'],
  [17, 'float8e4m3fn'],
  [18, 'float8e4m3fnuz'],
  [19, 'float8e5m2'],
  [20, 'float8e5m2fnuz'],
  [21, 'uint4'],
  [22, 'int4'],
  [23, 'float4e2m1'],
  [24, 'float8e8m0'],
  [25, 'uint2'],
  [26, 'int2'],
]);

/** The element type of a TensorProto.data_type; undefined for those that are not supported. */
export function dtypeOf(elementType: number): DType | undefined {
  return DTYPES.get(elementType);
}

/** A readable name for any TensorProto.data_type. */
export function elementTypeName(elementType: number): string {
  return DTYPES.get(elementType) ?? OTHER_ELEMENT_TYPES.get(elementType) ?? `type ${elementType}`;
}

/** AttributeProto.type. */
export const ATTRIBUTE_TYPE = {
  undefined: 0,
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparseTensor: 11,
  sparseTensors: 12,
  type: 13,
  types: 14,
} as const;

/** TensorProto.data_location of a tensor whose data lie in another file. */
export const EXTERNAL_LOCATION = 1;

/** The standard domain has two spellings; ours is ''. */
export function canonicalDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

/** The oldest version of the file format that allows `opset`, for opsets that are written here. */
export function irVersionOf(opset: number): number {
  if (opset >= 25) return 13;
  if (opset >= 23) return 11;
  if (opset >= 21) return 10;
  if (opset >= 19) return 9;
  if (opset >= 15) return 8;
  return 7;
}
