// Numbers for people: four significant digits, no noise.

/** Four significant digits: `12.34`, `0.001234`, `1.234e-7`; `-` where there is no number. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined) return '-';
  if (value === 0) return '0';
  const magnitude = Math.abs(value);
  if (magnitude >= 1e5 || magnitude < 1e-3) return value.toExponential(3).replace('e+', 'e');
  return value.toPrecision(4);
}

/** A share as a percentage with two decimals. */
export function formatPercent(value: number): string {
  return `${(100 * value).toFixed(2)}%`;
}

/** Thousands separated by commas. */
export function formatCount(value: number): string {
  return value.toLocaleString('en-US');
}

/** `820 ms`, `12.3 s`, `4 min 05 s`, `2 h 03 min`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const pad = (value: number) => String(value).padStart(2, '0');
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}
