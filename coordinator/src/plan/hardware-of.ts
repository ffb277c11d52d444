// What computed a result and its parts.
import { create, type Hardware, HardwareSchema, type TaskResult } from '@kronlens/proto';

/** Descriptions of everything that had a part in the result; some may be equal. */
export function hardwareOf({ hardware, parts }: TaskResult): readonly Hardware[] {
  return [create(HardwareSchema, { facts: hardware }), ...parts];
}

/** The descriptions, each once. */
export function distinctHardware(results: readonly TaskResult[]): Hardware[] {
  const found = new Map<string, Hardware>();
  for (const hardware of results.flatMap(hardwareOf)) {
    const sorted = Object.entries(hardware.facts).sort(([a], [b]) => (a < b ? -1 : 1));
    found.set(JSON.stringify(sorted), hardware);
  }
  return [...found.keys()].sort().flatMap((key) => found.get(key) ?? []);
}
