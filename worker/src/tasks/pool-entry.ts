// The module that each of the executor's threads runs.
import { serveJobs } from '../pool/serve-jobs.js';
import { runEvaluation } from '../session/run-evaluation.js';
import { runProgram } from '../session/run-program.js';
import { SessionCache } from '../session/session-cache.js';
import type { PoolJobs } from './pool-jobs.js';

/** The memory limit of a run is planned for one session in each thread. */
const SESSIONS = 1;

const sessions = new SessionCache(SESSIONS);

serveJobs<PoolJobs>(
  {
    async program(job, context) {
      const answer = await runProgram(job, sessions, context);
      return { answer, transfer: [answer.buffer] };
    },
    async evaluate(job, context) {
      const answer = await runEvaluation(job, context);
      const memory = new Set(answer.tensors.map(({ data }) => data.buffer));
      const transfer = [...memory].filter((buffer) => buffer instanceof ArrayBuffer);
      return { answer, transfer };
    },
  },
  () => sessions.clear(),
);
