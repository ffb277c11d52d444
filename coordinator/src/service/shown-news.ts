// Shows the news of a run as if it ran here.
import type { RunNews } from '@kronlens/proto/nats';
import type { ProgressSink } from '../plan/progress-sink.js';

/** @returns what takes news; they may begin anywhere, repeat themselves and have gaps */
export function shownNews(progress: ProgressSink): (news: RunNews) => void {
  let shown: string | undefined;
  return ({ stage, done, total, unit, over, note, detail }) => {
    if (note !== '') return progress.note(note);
    if (stage !== shown) {
      if (over) return;
      progress.begin(stage, total, unit);
      shown = stage;
    }
    progress.detail?.(detail);
    progress.update(done);
    if (!over) return;
    progress.end();
    shown = undefined;
  };
}
