// What happened in the epochs of an optimisation, as a tensor bundle.
import { type BundleTensor, encodeBundle } from '@kronlens/proto';

/**
 * Of one epoch: over its steps the mean over samples of the surrogate `loss` and of the 0-1 `errors`, with
 * noise; at its end `kl`, `penalty` (sqrt(BRE / 2)), `rho`, and the sums that KL is made of:
 * `variance_sum` (sum exp(2 s)), `squared_distance` (||w - theta_0||^2), `log_std_sum` (sum s).
 */
export interface EpochRecord {
  readonly loss: number;
  readonly errors: number;
  readonly kl: number;
  readonly penalty: number;
  readonly rho: number;
  readonly variance_sum: number;
  readonly squared_distance: number;
  readonly log_std_sum: number;
}

const NAMES = [
  'loss',
  'errors',
  'kl',
  'penalty',
  'rho',
  'variance_sum',
  'squared_distance',
  'log_std_sum',
] as const;

/** One tensor [epochs] per name, and `dimension` [1], the number of parameters. */
export function historyTensors(
  epochs: readonly EpochRecord[],
  dimension: number,
): readonly BundleTensor[] {
  const tensor = (name: string, values: readonly number[]): BundleTensor => ({
    name,
    shape: [values.length],
    symmetric: false,
    values: Float64Array.from(values),
  });
  return [
    ...NAMES.map((name) =>
      tensor(
        name,
        epochs.map((epoch) => epoch[name]),
      ),
    ),
    tensor('dimension', [dimension]),
  ];
}

export function encodeHistory(epochs: readonly EpochRecord[], dimension: number): Uint8Array {
  return encodeBundle(historyTensors(epochs, dimension));
}

/** The epochs in tensors named like `historyTensors`, after a prefix. */
export function readHistory(
  bundle: ReadonlyMap<string, BundleTensor>,
  prefix: string,
): readonly EpochRecord[] {
  const values = (name: string) => [...(bundle.get(`${prefix}${name}`)?.values ?? [])];
  return values('loss').map(
    (_, epoch) =>
      Object.fromEntries(NAMES.map((name) => [name, values(name)[epoch] ?? NaN])) as Record<
        (typeof NAMES)[number],
        number
      >,
  );
}
