// The relative entropy of two Bernoulli distributions, and its inverse, which turns an empirical error
// into a bound on the true one.

/** Below it x - log(1 + x) is summed as a series: the difference would lose digits. */
const SERIES = 0.125;

/** x - log(1 + x) >= 0 to machine precision; infinite at -1. */
function excessOverLog(x: number): number {
  if (Math.abs(x) > SERIES) return x - Math.log1p(x);
  // x^2/2 - x^3/3 + x^4/4 - ..., by Horner from the last term that matters.
  let sum = 0;
  for (let k = 20; k >= 2; k--) sum = 1 / k - x * sum;
  return x * x * sum;
}

/**
 * kl(q || p) = q log(q / p) + (1 - q) log((1 - q) / (1 - p)) in nats, with 0 log 0 = 0, to machine
 * precision also where p is close to q.
 * @param q the empirical error, in [0, 1]
 * @param p the true error, in [0, 1]
 * @returns infinity where p excludes what q has seen
 * @throws RangeError outside [0, 1]
 */
export function binaryKl(q: number, p: number): number {
  requireShare(q, 'q');
  requireShare(p, 'p');
  if (p === q) return 0;
  if (q === 0) return -Math.log1p(-p);
  if (q === 1) return -Math.log(p);
  if (p === 0 || p === 1) return Infinity;
  // With e = p - q the two sums of e cancel: q h(e / q) + (1 - q) h(-e / (1 - q)), h(x) = x - log(1 + x).
  const e = p - q;
  const terms = q * excessOverLog(e / q) + (1 - q) * excessOverLog(-e / (1 - q));
  // e / q overflows where q is tiny; nothing cancels there.
  return Number.isFinite(terms)
    ? terms
    : q * (Math.log(q) - Math.log(p)) + (1 - q) * (Math.log1p(-q) - Math.log1p(-p));
}

/**
 * kl^-1(q | bound): the largest p in [q, 1] with kl(q || p) <= bound, to the last bit of p. Grows with
 * both arguments.
 * @param q an error, in [0, 1]
 * @param bound in nats, at least 0; infinite: 1
 * @throws RangeError for q outside [0, 1] and a bound below 0
 */
export function inverseBinaryKl(q: number, bound: number): number {
  requireShare(q, 'q');
  if (!(bound >= 0)) throw new RangeError(`kl^-1 needs a bound of at least 0, got ${bound}`);
  if (bound === 0 || q === 1) return q;
  if (q === 0) return -Math.expm1(-bound);
  // Bisection down to neighbouring doubles: the same midpoints for every bound, hence monotone.
  let [low, high] = [q, 1];
  for (;;) {
    const middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    if (binaryKl(q, middle) <= bound) low = middle;
    else high = middle;
  }
  return high === 1 && binaryKl(q, 1) <= bound ? 1 : low;
}

function requireShare(value: number, name: string): void {
  if (!(value >= 0 && value <= 1))
    throw new RangeError(`${name} is a share between 0 and 1, got ${value}`);
}
