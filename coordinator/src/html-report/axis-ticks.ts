// Tick values and labels of axes.
import { formatNumber } from '../report/number-format.js';

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';
const MOST_DECADES = 7;
/** Up to this ratio of the ends there are ticks between powers of ten too. */
const FINE_RANGE = 200;
/** Up to this one ticks are at equal distances: 1, 2 and 5 would be too few. */
const NARROW_RANGE = 5;
const MOST_NARROW = 6;

/** `10⁻³` for the exponent -3. */
export function powerOfTen(exponent: number): string {
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPTS[Number(digit)] ?? '');
  return `10${exponent < 0 ? '⁻' : ''}${digits.join('')}`;
}

export interface Ticks {
  readonly values: readonly number[];
  readonly labels: ReadonlyMap<number, string>;
}

/**
 * Ticks of a logarithmic axis: powers of ten, every second or third of them where there are many;
 * within some two decades also 2 and 5 times a power, and round numbers at equal distances within
 * less, where they are short.
 * @param low above 0
 */
export function logTicks(low: number, high: number): Ticks {
  const plain = low >= 1e-3 && high <= 1e4;
  if (plain && high > low && high / low <= NARROW_RANGE) return evenTicks(low, high);
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const step = Math.max(1, Math.ceil((last - first) / MOST_DECADES));
  const labels = new Map<number, string>();
  const fine = high / low <= FINE_RANGE;
  for (let exponent = first; exponent <= last; exponent += fine ? 1 : step) {
    for (const factor of fine ? [1, 2, 5] : [1]) {
      // 10 ** -3 is not quite the number that 1e-3 is.
      const value = Number(`${factor}e${exponent}`);
      if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
      const small = fine && Math.abs(exponent) <= 3;
      const written = factor === 1 ? powerOfTen(exponent) : `${factor}·${powerOfTen(exponent)}`;
      labels.set(value, small ? String(value) : written);
    }
  }
  return { values: [...labels.keys()], labels };
}

/** Multiples of 1, 2 or 5 times a power of ten. */
function evenTicks(low: number, high: number): Ticks {
  const exponent = Math.floor(Math.log10((high - low) / MOST_NARROW));
  const steps = [1, 2, 5, 10].map((factor) => Number(`${factor}e${exponent}`));
  const step = steps.find((each) => (high - low) / each <= MOST_NARROW) ?? high - low;
  const first = Math.ceil((low / step) * (1 - 1e-9));
  const last = Math.floor((high / step) * (1 + 1e-9));
  const labels = new Map<number, string>();
  for (let i = first; i <= last; i++) {
    const value = Number((i * step).toPrecision(12));
    labels.set(value, linearLabel(value));
  }
  return { values: [...labels.keys()], labels };
}

/** Numbers on linear axes: four digits without trailing zeros. */
export function linearLabel(value: number): string {
  const text = formatNumber(value);
  return text.includes('e') || !text.includes('.') ? text : text.replace(/\.?0+$/, '');
}
