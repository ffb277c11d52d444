// What a file says of a part beyond what is read, so that the part is written back with it.
import type {
  AttributeProto,
  TensorProto,
  ValueInfoProto,
} from '../../gen/kronlens/onnx/onnx_pb.js';
import type { Attribute, Tensor, ValueInfo } from '../graph.js';

/**
 * Parts are immutable and passes hand on those that they do not change, so a part that is still
 * the very object that was read still means what the file said of it.
 */
class Remainders<Part extends object, Message extends object> {
  readonly #messages = new WeakMap<Part, Message>();

  /** Remembers `message` for `part` and returns the part. */
  keep(part: Part, message: Message): Part {
    this.#messages.set(part, message);
    return part;
  }

  /** What was remembered; undefined for parts that came from no file or had nothing to remember. */
  of(part: Part): Message | undefined {
    return this.#messages.get(part);
  }
}

/** Attributes as they were read. */
export const attributeRemainders = new Remainders<Attribute, AttributeProto>();
/** Tensors as they were read, without their contents. */
export const tensorRemainders = new Remainders<Tensor, TensorProto>();
/** Inputs and outputs as they were read. */
export const valueInfoRemainders = new Remainders<ValueInfo, ValueInfoProto>();
