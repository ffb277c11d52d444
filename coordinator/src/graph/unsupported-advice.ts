// What a user may do about an op that has no rule.

/** A clause to put behind the op's mention, or nothing. @param op with its domain in front, unless it is the standard one */
export function unsupportedAdvice(op: string): string {
  return op === 'Loop' || op === 'Scan'
    ? '; loops are not differentiated: export the model with the loop unrolled'
    : '';
}
