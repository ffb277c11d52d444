// Runs the stages of a run, each timed and shown as it goes along.
import type { Engine } from './engine.js';
import type { ProgressSink } from './progress-sink.js';
import type { RunClock } from './run-clock.js';
import { StageProgress } from './stage-progress.js';

/** Runs a stage of `total` units under its name; the progress of its tasks moves what is shown. */
export type RunStage = <T>(
  name: string,
  total: number,
  unit: string,
  work: (shown: StageProgress) => Promise<T>,
) => Promise<T>;

/** Stages follow one another: an engine has one listener at a time. */
export function stageRunner(engine: Engine, progress: ProgressSink, clock: RunClock): RunStage {
  return async (name, total, unit, work) => {
    const shown = new StageProgress(progress, name, total, unit);
    engine.onProgress((report) => shown.partial(report));
    const result = await clock.timed(name, () => work(shown));
    shown.end();
    return result;
  };
}
