// The element types of tensors as ONNX Runtime names them, and proto tensors in and out of it.
import { create, ElementType, type Tensor, TensorSchema } from '@kronlens/proto';
import { elementBytes } from '../data/array-layout.js';
import { type Values, view } from '../data/convert.js';
import ort from './onnx-runtime.js';

const NAMES = {
  [ElementType.FLOAT32]: 'float32',
  [ElementType.FLOAT64]: 'float64',
  [ElementType.FLOAT16]: 'float16',
  [ElementType.INT8]: 'int8',
  [ElementType.INT16]: 'int16',
  [ElementType.INT32]: 'int32',
  [ElementType.INT64]: 'int64',
  [ElementType.UINT8]: 'uint8',
  [ElementType.UINT16]: 'uint16',
  [ElementType.UINT32]: 'uint32',
  [ElementType.UINT64]: 'uint64',
  [ElementType.BOOL]: 'bool',
} as const satisfies Partial<Record<ElementType, ort.Tensor.Type>>;

const TYPES: ReadonlyMap<string, ElementType> = new Map(
  Object.entries(NAMES).map(([type, name]) => [name, Number(type)]),
);

/** The type by ONNX Runtime's name; unspecified for text and what else has no fixed size. */
export function elementTypeOf(name: string): ElementType {
  return TYPES.get(name) ?? ElementType.ELEMENT_TYPE_UNSPECIFIED;
}

/**
 * A tensor of ONNX Runtime over the values, which are not copied.
 * @throws RangeError when the type is unspecified
 */
export function runtimeTensor(
  type: ElementType,
  values: Values,
  shape: readonly number[],
): ort.Tensor {
  if (type === ElementType.ELEMENT_TYPE_UNSPECIFIED) throw new RangeError('a type is needed');
  const TypedTensor: new (type: string, data: Values, dims: readonly number[]) => ort.Tensor =
    ort.Tensor;
  return new TypedTensor(NAMES[type], values, shape);
}

/** The tensor of a message. @throws RangeError when its bytes do not fit its shape */
export function fromMessage(tensor: Tensor): ort.Tensor {
  const shape = tensor.shape.map(Number);
  const length = shape.reduce((product, size) => product * size, 1);
  const byteLength = length * elementBytes(tensor.type);
  if (tensor.data.byteLength !== byteLength) {
    throw new RangeError(
      `tensor '${tensor.name}' [${shape.join(', ')}] has ${tensor.data.byteLength} bytes instead of ${byteLength}`,
    );
  }
  // A copy at its own start: messages are cut out of larger memory, where values may lie askew.
  const bytes = new Uint8Array(tensor.data);
  return runtimeTensor(tensor.type, view(tensor.type, bytes.buffer, 0, length), shape);
}

/** The message of a tensor, over the same memory. @throws RangeError for tensors of text */
export function toMessage(name: string, tensor: ort.Tensor): Tensor {
  const { data } = tensor;
  const type = elementTypeOf(tensor.type);
  if (!ArrayBuffer.isView(data) || type === ElementType.ELEMENT_TYPE_UNSPECIFIED) {
    throw new RangeError(`tensor '${name}' is of type ${tensor.type}, which has no numbers`);
  }
  return create(TensorSchema, {
    name,
    type,
    shape: tensor.dims.map(BigInt),
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  });
}
