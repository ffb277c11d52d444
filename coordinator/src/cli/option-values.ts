// Parsers of option values; each complains in one sentence that says what is expected.
import { InvalidArgumentError } from 'commander';
import { parseSize } from '../plan/size.js';

/** A whole number of at least 1. */
export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('Expected a whole number of at least 1.');
  return value;
}

/** A whole number of at least 0. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('Expected a whole number of at least 0.');
  return value;
}

/** A port on loopback, or host:port; [::1]:port for IPv6. */
export function httpAddress(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]:|([^:]*):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits ?? Number.NaN);
  if (!(port <= 65_535))
    throw new InvalidArgumentError('Expected a port or host:port, such as 9464 or 127.0.0.1:9464.');
  return { host: bracketed ?? (plain || '127.0.0.1'), port };
}

/** A whole number, negative ones too. */
export function integer(text: string): number {
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('Expected a whole number.');
  return value;
}

/** Bytes, from a size such as 4G. */
export function memorySize(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) throw new InvalidArgumentError('Expected a size such as 512M or 4G.');
  return bytes;
}

/** A factor, as a number or a fraction such as 1/255. */
export function scaleFactor(text: string): number {
  const [numerator, denominator, ...rest] = text.split('/').map((part) => part.trim());
  const value =
    Number(numerator || NaN) / (denominator === undefined ? 1 : Number(denominator || NaN));
  if (rest.length > 0 || !Number.isFinite(value) || value === 0)
    throw new InvalidArgumentError('Expected a number such as 0.5 or 1/255.');
  return value;
}

/** Parses a number above 0, for example 1e-6. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0)
    throw new InvalidArgumentError('Expected a number above 0.');
  return value;
}

/** A number, for example -1.2913. */
export function finiteNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value))
    throw new InvalidArgumentError('Expected a number such as -1.25.');
  return value;
}

/** A number of at least 0. */
export function atLeastZero(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('Expected a number of at least 0.');
  return value;
}

/** A share: a number from 0 to 1. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError('Expected a number from 0 to 1.');
  return value;
}

/** A number between 0 and 1, which are excluded. */
export function probability(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 1))
    throw new InvalidArgumentError('Expected a number above 0 and below 1.');
  return value;
}

/** The size of a training set that a bound can be had for: a whole number of at least 2. */
export function sampleSize(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 2)
    throw new InvalidArgumentError(
      'Expected a whole number of at least 2: a bound divides by N - 1.',
    );
  return value;
}

/** Comma-separated parts, without empty ones. */
export function commaList(text: string): string[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.some((part) => part === ''))
    throw new InvalidArgumentError('Expected names separated by commas.');
  return parts;
}

/** A parser of comma-separated words out of `choices`; `later` are those planned but not there yet. */
export function choiceList<T extends string>(choices: readonly T[], later: readonly string[] = []) {
  return (text: string): T[] => {
    const parts = commaList(text);
    for (const part of parts) {
      if (later.includes(part))
        throw new InvalidArgumentError(
          `'${part}' is not available yet; choose from ${choices.join(', ')}.`,
        );
    }
    const chosen = choices.filter((choice) => parts.includes(choice));
    const unknown = parts.find((part) => !choices.some((choice) => choice === part));
    if (unknown !== undefined)
      throw new InvalidArgumentError(`'${unknown}' is not one of ${choices.join(', ')}.`);
    return chosen;
  };
}

/** A parser of one word out of `choices`; `later` are those planned but not there yet. */
export function choice<T extends string>(choices: readonly T[], later: readonly string[] = []) {
  return (text: string): T => {
    const found = choices.find((candidate) => candidate === text);
    if (found !== undefined) return found;
    if (later.includes(text))
      throw new InvalidArgumentError(
        `'${text}' is not available yet; choose from ${choices.join(', ')}.`,
      );
    throw new InvalidArgumentError(`Choose from ${choices.join(', ')}.`);
  };
}

/** Collects `--shape name=1x28x28` into a map from input name to the shape of one sample. */
export function namedShape(
  text: string,
  shapes: ReadonlyMap<string, readonly number[]> = new Map(),
): ReadonlyMap<string, readonly number[]> {
  const match = /^(.+)=(\d+(?:[x,]\d+)*)$/.exec(text);
  if (match === null)
    throw new InvalidArgumentError(
      'Expected name=1x28x28, the shape of one sample without its batch.',
    );
  return new Map([...shapes, [String(match[1]), String(match[2]).split(/[x,]/).map(Number)]]);
}
