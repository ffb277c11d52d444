// TensorProto to Tensor and back, external data included.
import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, sep } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { type TensorProto, TensorProtoSchema } from '../../gen/kronlens/onnx/onnx_pb.js';
import { elementCount, type Tensor } from '../graph.js';
import { ELEMENT_BYTES } from '../tensor.js';
import { dtypeOf, ELEMENT_TYPE, EXTERNAL_LOCATION, elementTypeName } from './format.js';
import { ModelError } from './model-error.js';
import { tensorRemainders } from './remainders.js';

/** Where a model's external data may lie; undefined: the model came without a folder. */
export type ModelFolder = string | undefined;

/** @throws ModelError when the tensor is malformed or its external data cannot be read */
export function decodeTensor(proto: TensorProto, folder: ModelFolder): Tensor {
  const dtype = dtypeOf(proto.dataType);
  const shape = proto.dims.map(Number);
  if (dtype === undefined) {
    throw new ModelError(
      'unsupported-type',
      `tensor '${proto.name}' has element type ${elementTypeName(proto.dataType)}, which is not supported`,
    );
  }
  const count = elementCount(shape);
  if (![count, ...shape].every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new ModelError(
      'malformed-model',
      `tensor '${proto.name}' has the impossible shape [${shape.join(', ')}]`,
    );
  }
  if (dtype === 'string') return { dtype, shape, bytes: new Uint8Array(0) };
  const byteLength = count * ELEMENT_BYTES[dtype];
  const bytes =
    proto.dataLocation === EXTERNAL_LOCATION
      ? readExternal(proto, folder, byteLength)
      : inlineBytes(proto, dtype, count);
  if (bytes.byteLength !== byteLength) {
    throw new ModelError(
      'malformed-model',
      `tensor '${proto.name}' [${shape.join(', ')}] should have ${byteLength} bytes, it has ${bytes.byteLength}`,
    );
  }
  const tensor = { dtype, shape, bytes };
  const beyond =
    (proto.$unknown?.length ?? 0) > 0 || proto.docString !== '' || proto.metadataProps.length > 0;
  return beyond ? tensorRemainders.keep(tensor, withoutContents(proto)) : tensor;
}

function withoutContents(proto: TensorProto): TensorProto {
  const { docString, metadataProps, $unknown } = proto;
  const rest = create(TensorProtoSchema, { docString, metadataProps });
  return $unknown === undefined ? rest : { ...rest, $unknown };
}

/** Fields that hold values in the place of raw_data, by element type (ONNX, TensorProto). */
function inlineBytes(
  proto: TensorProto,
  dtype: Exclude<Tensor['dtype'], 'string'>,
  count: number,
): Uint8Array {
  if (proto.rawData !== undefined && (proto.rawData.byteLength > 0 || count === 0))
    return proto.rawData;
  const of = (typed: { buffer: ArrayBufferLike }) => new Uint8Array(typed.buffer);
  switch (dtype) {
    case 'float32':
      return of(Float32Array.from(proto.floatData));
    case 'float64':
      return of(Float64Array.from(proto.doubleData));
    case 'int64':
      return of(BigInt64Array.from(proto.int64Data));
    case 'uint64':
      return of(BigUint64Array.from(proto.uint64Data));
    case 'uint32':
      return of(Uint32Array.from(proto.uint64Data, Number));
    case 'int32':
      return of(Int32Array.from(proto.int32Data));
    case 'int16':
    case 'uint16':
    case 'float16':
    case 'bfloat16':
      return of(Uint16Array.from(proto.int32Data));
    case 'int8':
    case 'uint8':
    case 'bool':
      return of(Uint8Array.from(proto.int32Data));
  }
}

function readExternal(proto: TensorProto, folder: ModelFolder, byteLength: number): Uint8Array {
  const facts = new Map(proto.externalData.map(({ key, value }) => [key, value]));
  const location = facts.get('location') ?? '';
  const path = externalPath(proto.name, location, folder);
  const offset = Number(facts.get('offset') ?? 0);
  const length = Number(facts.get('length') ?? byteLength);
  if (length !== byteLength || !Number.isSafeInteger(offset) || offset < 0) {
    throw new ModelError(
      'malformed-model',
      `tensor '${proto.name}': external data of ${length} bytes at ${offset} do not fit its shape (${byteLength} bytes)`,
    );
  }
  if (!statSync(path).isFile())
    throw new ModelError(
      'external-data-missing',
      `external data '${location}' of tensor '${proto.name}' is no regular file`,
    );
  const file = openSync(path, 'r');
  try {
    if (offset + length > fstatSync(file).size) {
      throw new ModelError(
        'truncated-model',
        `tensor '${proto.name}': external data file '${location}' is too short; it is truncated or of another model`,
      );
    }
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const count = readSync(file, bytes, done, Math.min(length - done, 1 << 30), offset + done);
      if (count === 0)
        throw new ModelError('truncated-model', `external data file '${location}' ended early`);
      done += count;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}

/** The file, after making sure that it lies in the model's folder, symbolic links followed. */
function externalPath(tensor: string, location: string, folder: ModelFolder): string {
  if (folder === undefined)
    throw new ModelError(
      'external-data',
      `tensor '${tensor}' lies in another file, '${location}', and the model has no folder`,
    );
  const outside = () =>
    new ModelError(
      'external-data-outside',
      `tensor '${tensor}': external data '${location}' lie outside of the model's folder; they are not read`,
    );
  if (location === '' || isAbsolute(location) || location.split(/[\\/]/).includes('..'))
    throw outside();
  let path: string;
  const root = realpathSync(folder);
  try {
    path = realpathSync(join(root, location));
  } catch (cause) {
    throw new ModelError(
      'external-data-missing',
      `external data file '${location}' of tensor '${tensor}' is missing; put it beside the model`,
      cause,
    );
  }
  if (!path.startsWith(root.endsWith(sep) ? root : root + sep)) throw outside();
  return path;
}

/**
 * A TensorProto with raw data.
 * @throws ModelError for tensors of strings, whose contents are not read
 */
export function encodeTensor(name: string, tensor: Tensor): TensorProto {
  if (tensor.dtype === 'string')
    throw new ModelError(
      'unsupported-type',
      `tensor '${name}' holds strings; that is not supported`,
    );
  return {
    ...(tensorRemainders.of(tensor) ?? create(TensorProtoSchema)),
    name,
    dims: tensor.shape.map(BigInt),
    dataType: ELEMENT_TYPE[tensor.dtype],
    rawData: tensor.bytes,
  };
}
