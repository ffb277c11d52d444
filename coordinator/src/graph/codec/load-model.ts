// Reads a model file, and the digest of everything that it consists of.
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Graph } from '../graph.js';
import { decodeModel } from './decode-model.js';
import { LARGEST_MESSAGE_BYTES } from './format.js';
import { ModelError } from './model-error.js';

export interface LoadedModel {
  readonly path: string;
  readonly graph: Graph;
  /** SHA-256 (hex) over the file and the contents of all initializers, external ones included. */
  readonly sha256: string;
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['EISDIR', 'it is a folder'],
  ['EACCES', 'permission denied'],
]);

/**
 * @param path as the user names it
 * @param file where it lies, when that is elsewhere: external data lie beside it
 * @throws ModelError when there is no such file or it is no usable ONNX model
 */
export async function loadModel(path: string, file = path): Promise<LoadedModel> {
  let bytes: Uint8Array;
  try {
    const { size } = await stat(file);
    if (size > LARGEST_MESSAGE_BYTES)
      throw new ModelError(
        'not-onnx',
        `${path} has ${size} bytes; an ONNX file has less than 2 GiB, larger models keep their weights in external data`,
      );
    bytes = await readFile(file);
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = REASONS.get(code ?? '') ?? message;
    throw new ModelError('model-missing', `cannot read the model '${path}': ${reason}`, cause);
  }
  const graph = decodeModel(bytes, basename(path), dirname(file));
  const hash = createHash('sha256').update(bytes);
  for (const tensor of graph.initializers.values()) {
    // What lies in the file itself is a view of its bytes and hashed already.
    if (tensor.bytes.buffer !== bytes.buffer) hash.update(tensor.bytes);
  }
  return { path, graph, sha256: hash.digest('hex') };
}
