// Where a run reports how far it is.

/** Stages follow one another; the command line shows them as bars or lines. */
export interface ProgressSink {
  /** Starts a stage of `total` units, for example "samples". */
  begin(stage: string, total: number, unit: string): void;
  /** So many units of the stage are done. */
  update(done: number): void;
  /** How the stage goes, beside how far it is; shown with the next update. Empty: nothing to say. */
  detail?(text: string): void;
  /** The stage is over. */
  end(): void;
  /** A line that stays. */
  note(line: string): void;
}
