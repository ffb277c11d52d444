// The thread on which the portable backend computes, so that the event loop goes on.
import { parentPort } from 'node:worker_threads';
import { compute } from './compute.js';
import type { Reply, Request } from './thread-messages.js';

parentPort?.on('message', ({ id, operation }: Request) => {
  parentPort?.postMessage(answer(id, operation));
});

function answer(id: number, operation: Request['operation']): Reply {
  try {
    return { id, result: compute(operation) };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}
