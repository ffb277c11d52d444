// Large constants that models refer to instead of holding them, so that a model which is run again and again is written once.
import { create } from '@bufbuild/protobuf';
import { StringStringEntryProtoSchema, type TensorProto } from '../../gen/kronlens/onnx/onnx_pb.js';
import { EXTERNAL_LOCATION } from './format.js';

/** A piece of a file. */
export interface ConstantPlace {
  /** The file's name in the folder that the model is run with. */
  readonly location: string;
  /** Its first byte. */
  readonly offset: number;
}

/** Keeps contents of tensors for as long as models that refer to them are run. */
export interface ConstantFile {
  /**
   * The place of these bytes, written there at their first time.
   * @param bytes never changed afterwards
   * @returns undefined where the model had better hold them: they are few, or cannot be written
   */
  place(bytes: Uint8Array): ConstantPlace | undefined;
}

/** The tensor as a reference to where its raw data lie. */
export function atPlace(tensor: TensorProto, { location, offset }: ConstantPlace): TensorProto {
  const { rawData = new Uint8Array(), ...rest } = tensor;
  const facts = { location, offset: String(offset), length: String(rawData.byteLength) };
  return {
    ...rest,
    dataLocation: EXTERNAL_LOCATION,
    externalData: Object.entries(facts).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    ),
  };
}
