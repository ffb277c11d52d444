// Creates and runs sessions of ONNX Runtime on one thread, with errors that say which model failed.
import { KronlensError } from '@kronlens/proto';
import ort from './onnx-runtime.js';

export type Session = ort.InferenceSession;
export type Tensors = Readonly<Record<string, ort.Tensor>>;

/** ONNX Runtime could not load or run a model. */
export class RuntimeFailure extends KronlensError {
  constructor(subject: string, act: 'load' | 'run', cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const outOfMemory = /failed to allocate memory|bad_alloc|bad allocation/i.test(reason);
    super(
      outOfMemory ? 'out-of-memory' : 'runtime-failure',
      outOfMemory
        ? `not enough memory to ${act} ${subject}; use a smaller --batch or --memory, or fewer parallel tasks (${oneLine(reason)})`
        : `ONNX Runtime cannot ${act} ${subject}: ${oneLine(reason)}`,
      { cause },
    );
  }
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, '; ');
}

/**
 * Loads a model.
 * @param model the bytes of a ModelProto
 * @param subject the model in words, for messages: "program 'factors'"
 * @param optimised false keeps the graph as it is: nothing is fused, no output goes away, and weights are not
 *   laid out anew, which takes longer than one run without
 * @param folder where external data of the model lie; empty: it has none
 * @throws RuntimeFailure
 */
export async function loadSession(
  model: Uint8Array,
  subject: string,
  optimised: boolean,
  folder = '',
): Promise<Session> {
  try {
    return await ort.InferenceSession.create(model, {
      executionProviders: ['cpu'],
      graphOptimizationLevel: optimised ? 'all' : 'disabled',
      // One thread: results must not depend on the number of cores, and tasks run side by side.
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      // What goes wrong is thrown; the log would say it a second time.
      logSeverityLevel: 4,
      extra: {
        session: {
          ...(optimised ? {} : { disable_prepacking: '1' }),
          ...(folder === '' ? {} : { model_external_initializers_file_folder_path: folder }),
        },
      },
    });
  } catch (cause) {
    throw new RuntimeFailure(subject, 'load', cause);
  }
}

/**
 * Runs a model once; the thread is blocked meanwhile.
 * @param into the outputs to compute, each with the memory that it goes to, or null for fresh memory
 * @throws RuntimeFailure
 */
export async function runSession(
  session: Session,
  feeds: Tensors,
  into: Readonly<Record<string, ort.Tensor | null>>,
  subject: string,
): Promise<Tensors> {
  try {
    return await session.run(feeds, into);
  } catch (cause) {
    throw new RuntimeFailure(subject, 'run', cause);
  }
}
