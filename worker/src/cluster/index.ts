// Everything that other rooms may use of the worker's side of a cluster, by name.
export { runWorker, type WorkerOptions } from './run-worker.js';
