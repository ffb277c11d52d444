// Differences between runs that make their comparison mean less than it seems.
import type { AnalysisResults } from '../results/index.js';

/** Options that change what the factors are. */
const OPTIONS = ['sharing', 'bias', 'outputHessian', 'curvature'] as const;

/** One sentence a difference from the first run. */
export function differences(runs: readonly Pick<AnalysisResults, 'name' | 'facts'>[]): string[] {
  const [first, ...others] = runs;
  if (first === undefined) return [];
  const found: string[] = [];
  for (const { name, facts } of others) {
    for (const option of OPTIONS) {
      const [a, b] = [first.facts.options.get(option), facts.options.get(option)];
      if (a !== b)
        found.push(
          `${option} is ${a ?? 'not set'} in ${first.name} and ${b ?? 'not set'} in ${name}`,
        );
    }
    const { lossName, samples } = first.facts;
    if (facts.lossName !== lossName)
      found.push(`the loss is ${lossName} in ${first.name} and ${facts.lossName} in ${name}`);
    const inputs = (each: AnalysisResults['facts']) =>
      each.data.map((array) => `${array.name}:${array.sha256}`).join();
    if (inputs(facts) !== inputs(first.facts) || facts.samples !== samples)
      found.push(`${first.name} and ${name} were measured on different data`);
  }
  return found;
}
