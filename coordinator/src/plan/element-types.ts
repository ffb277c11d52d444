// The graph's element types and those of messages and data files, side by side.
import { ElementType } from '@kronlens/proto';
import type { DType } from '../graph/index.js';

const ELEMENT_TYPES: Partial<Record<DType, ElementType>> = {
  float32: ElementType.FLOAT32,
  float64: ElementType.FLOAT64,
  float16: ElementType.FLOAT16,
  int8: ElementType.INT8,
  int16: ElementType.INT16,
  int32: ElementType.INT32,
  int64: ElementType.INT64,
  uint8: ElementType.UINT8,
  uint16: ElementType.UINT16,
  uint32: ElementType.UINT32,
  uint64: ElementType.UINT64,
  bool: ElementType.BOOL,
};

const DTYPES = new Map<ElementType, DType>(
  Object.entries(ELEMENT_TYPES).map(([dtype, type]) => [type, dtype as DType]),
);

/** The message's element type; undefined for bfloat16 and strings, which messages do not carry. */
export function elementTypeOf(dtype: DType): ElementType | undefined {
  return ELEMENT_TYPES[dtype];
}

/** The graph's element type; undefined where a message leaves it open. */
export function dtypeOf(type: ElementType): DType | undefined {
  return DTYPES.get(type);
}
