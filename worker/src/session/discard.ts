// Frees the memory of results at once, where the garbage collector would be made to look for it.
import { MessageChannel } from 'node:worker_threads';
import type { Tensors } from './runtime-session.js';

/** What is transferred to a closed port is taken from the sender and freed. */
const { port1: drain } = new MessageChannel();
drain.close();

/**
 * Frees the results of a session, which must not be used again. ONNX Runtime's binding copies every output into
 * new memory, those that it has written to given memory, too; V8 collects the whole heap after every 64 MB of it.
 * @param given memory that the session was given: it stays
 */
export function discard(
  results: Tensors,
  given: Readonly<Record<string, Tensors[string] | null>>,
): void {
  const kept = new Set(Object.values(given).map((tensor) => bufferOf(tensor)));
  const buffers = new Set(Object.values(results).map((tensor) => bufferOf(tensor)));
  const freed = [...buffers].filter((buffer) => buffer !== undefined && !kept.has(buffer));
  drain.postMessage(undefined, freed as ArrayBuffer[]);
}

function bufferOf(tensor: Tensors[string] | null): ArrayBuffer | undefined {
  const data = tensor?.data;
  return ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer ? data.buffer : undefined;
}
