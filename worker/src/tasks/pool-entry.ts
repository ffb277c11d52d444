// The module that each of the executor's threads runs.
import { contentId } from '@kronlens/proto';
import { StreamedOperator } from '../curvature/streamed-operator.js';
import { serveJobs } from '../pool/serve-jobs.js';
import { evaluateDraws } from '../posterior/draws.js';
import { optimise } from '../posterior/optimise.js';
import { runEvaluation } from '../session/run-evaluation.js';
import { runProgram } from '../session/run-program.js';
import { SessionCache } from '../session/session-cache.js';
import { runMerge } from './merge.js';
import type { PoolJobs } from './pool-jobs.js';

/** The memory limit of a run is planned for one session in each thread. */
const SESSIONS = 1;

/** The memory under the views, each once. */
function buffersOf(views: readonly Uint8Array[]): ArrayBuffer[] {
  const buffers = new Set(views.map(({ buffer }) => buffer));
  return [...buffers].filter((buffer) => buffer instanceof ArrayBuffer);
}

const sessions = new SessionCache(SESSIONS);
let operator: StreamedOperator | undefined;

async function releaseOperator(): Promise<void> {
  const released = operator;
  operator = undefined;
  await released?.release();
}

serveJobs<PoolJobs>(
  {
    async program(job, context) {
      const bytes = await runProgram(job, sessions, context);
      // Hashed here, where tasks run side by side, and not on the one main thread.
      const id = contentId(bytes);
      return { answer: [{ name: 'sums', bytes, id }], transfer: [bytes.buffer] };
    },
    async merge(job, context) {
      const get = (id: string) => {
        context.checkCancelled();
        return context.artifact(id);
      };
      const answer = await runMerge(job, { store: { get } });
      return { answer, transfer: buffersOf(answer.map(({ bytes }) => bytes)) };
    },
    async evaluate(job, context) {
      const answer = await runEvaluation(job, context);
      return { answer, transfer: buffersOf(answer.tensors.map(({ data }) => data)) };
    },
    async posterior(job, context) {
      await sessions.clear();
      const answer = await optimise(job, context);
      return { answer, transfer: buffersOf(answer.map(({ bytes }) => bytes)) };
    },
    async posteriorDraws(job, context) {
      await sessions.clear();
      const answer = await evaluateDraws(job, context);
      return { answer, transfer: buffersOf(answer.map(({ bytes }) => bytes)) };
    },
    async openOperator(job, context) {
      await releaseOperator();
      await sessions.clear();
      operator = await StreamedOperator.open(job, context);
      return { answer: null, transfer: [] };
    },
    async applyOperator(request, context) {
      if (operator === undefined) throw new Error('no operator is open');
      await operator.apply(request, context);
      return { answer: null, transfer: [] };
    },
    async closeOperator() {
      await releaseOperator();
      return { answer: null, transfer: [] };
    },
  },
  async () => {
    await releaseOperator();
    await sessions.clear();
  },
);
