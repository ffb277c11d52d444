// What computed a result and its parts.
import { create, type Hardware, HardwareSchema, type TaskResult } from '@kronlens/proto';

/** Descriptions of everything that had a part in the result; some may be equal. */
export function hardwareOf({ hardware, parts }: TaskResult): readonly Hardware[] {
  return [create(HardwareSchema, { facts: hardware }), ...parts];
}

/** A description's facts in the order of their names: equal descriptions give equal lists. */
export function sortedFacts({ facts }: Hardware): readonly (readonly [string, string])[] {
  return Object.entries(facts).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The descriptions, each once. */
export function distinctHardware(results: readonly TaskResult[]): Hardware[] {
  const found = new Map<string, Hardware>();
  for (const hardware of results.flatMap(hardwareOf))
    found.set(JSON.stringify(sortedFacts(hardware)), hardware);
  return [...found.keys()].sort().flatMap((key) => found.get(key) ?? []);
}
