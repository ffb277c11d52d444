// Writes small WebAssembly modules of vector loops: the speed of native SIMD, the same bits on every machine.
// Source: WebAssembly core specification 2.0, sections 5 (binary format) and 4.4.3 (vectors).

/** Instructions that leave their value on the stack, or a statement that leaves none. */
export type Code = readonly number[];
type ValueType = 'i32' | 'f32' | 'v128';

const TYPES: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, v128: 0x7b };
const VOID = 0x40;

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low + 128 : low);
  } while (rest > 0);
  return bytes;
}

/** Signed LEB128 of a 32-bit integer. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0))
      return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

const littleEndian = (bits: Uint32Array): number[] => [
  ...new Uint8Array(new DataView(bits.buffer).buffer),
];

const plain =
  (opcode: number) =>
  (...operands: readonly Code[]): Code => [...operands.flat(), opcode];

const vector =
  (opcode: number) =>
  (...operands: readonly Code[]): Code => [...operands.flat(), 0xfd, ...unsigned(opcode)];

/** Integers. */
export const i32 = {
  of: (value: number): Code => [0x41, ...signed(value)],
  add: plain(0x6a),
  sub: plain(0x6b),
  and: plain(0x71),
  shiftLeft: plain(0x74),
  shiftRight: plain(0x76),
  lessThan: plain(0x49),
  splat: vector(0x11),
} as const;

/** Four floats: rounded to float32 after every operation, as the scalar ones. */
export const f32x4 = {
  of: (value: number): Code => constant(Float32Array.of(value, value, value, value)),
  splat: vector(0x13),
  add: vector(0xe4),
  sub: vector(0xe5),
  mul: vector(0xe6),
  div: vector(0xe7),
  /** b < a ? b : a, so that NaN in a stays. */
  min: vector(0xea),
  /** a < b ? b : a, so that NaN in a stays. */
  max: vector(0xeb),
  sqrt: vector(0xe3),
  fromSigned: vector(0xfa),
} as const;

/** Four 32-bit integers. */
export const i32x4 = {
  of: (a: number, b = a, c = a, d = a): Code => constant(Uint32Array.of(a, b, c, d)),
  add: vector(0xae),
  sub: vector(0xb1),
  shiftLeft: vector(0xab),
  shiftRightSigned: vector(0xac),
  shiftRight: vector(0xad),
  lessThan: vector(0x39),
} as const;

/** Bits. */
export const v128 = {
  and: vector(0x4e),
  or: vector(0x50),
  xor: vector(0x51),
  /** Bits of a where the mask is 1, of b elsewhere. */
  select: (a: Code, b: Code, mask: Code): Code => vector(0x52)(a, b, mask),
} as const;

/** Two doubles. */
export const f64x2 = {
  add: vector(0xf0),
  /** Of the first two floats. */
  fromLow: vector(0x5f),
  zero: (): Code => i32x4.of(0),
} as const;

/** 64-bit products of the first two and of the last two unsigned integers. */
export const wideProducts = { low: vector(0xde), high: vector(0xdf) } as const;

/** 32-bit lanes of two vectors, 0 to 3 of the first, 4 to 7 of the second. */
export function shuffle(a: Code, b: Code, lanes: readonly number[]): Code {
  const bytes = lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte));
  return [...a, ...b, 0xfd, 0x0d, ...bytes];
}

function constant(lanes: Float32Array | Uint32Array): Code {
  return [0xfd, 0x0c, ...littleEndian(new Uint32Array(lanes.buffer))];
}

/** The vector at an address, which is a multiple of 16, plus an offset. */
export const load = (address: Code, offset = 0): Code => [
  ...address,
  0xfd,
  0x00,
  4,
  ...unsigned(offset),
];

/** Statements and local variables of one function. */
export class FunctionBuilder {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  readonly #body: number[] = [];

  constructor(name: string, parameters: readonly ValueType[]) {
    this.name = name;
    this.parameters = parameters;
  }

  parameter(index: number): Code {
    return [0x20, ...unsigned(index)];
  }

  /** Evaluates once and remembers. */
  let(value: Code, type: ValueType = 'v128'): Code {
    const variable = this.variable(type);
    this.set(variable, value);
    return variable;
  }

  variable(type: ValueType): Code {
    this.#locals.push(type);
    return [0x20, ...unsigned(this.parameters.length + this.#locals.length - 1)];
  }

  /** @param variable from `variable`, `let` or `parameter` */
  set(variable: Code, value: Code): void {
    this.#body.push(...value, 0x21, ...variable.slice(1));
  }

  store(address: Code, value: Code, offset = 0): void {
    this.#body.push(...address, ...value, 0xfd, 0x0b, 4, ...unsigned(offset));
  }

  /** Runs `body` while `condition` holds. */
  while(condition: Code, body: () => void): void {
    // block { loop { if not condition leave; body; again } }
    this.#body.push(0x02, VOID, 0x03, VOID, ...condition, 0x45, 0x0d, 1);
    body();
    this.#body.push(0x0c, 0, 0x0b, 0x0b);
  }

  /** The function's entry in the code section. */
  encode(): number[] {
    const locals = this.#locals.flatMap((type) => [1, TYPES[type]]);
    const code = [...unsigned(this.#locals.length), ...locals, ...this.#body, 0x0b];
    return [...unsigned(code.length), ...code];
  }
}

const section = (id: number, entries: readonly (readonly number[])[]): number[] => {
  const content = [...unsigned(entries.length), ...entries.flat()];
  return [id, ...unsigned(content.length), ...content];
};

const named = (name: string): number[] => {
  const bytes = [...new TextEncoder().encode(name)];
  return [...unsigned(bytes.length), ...bytes];
};

/** A module that works on imported memory `host.memory` and exports the functions, which return nothing. */
export function encodeModule(functions: readonly FunctionBuilder[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters }) => [
    0x60,
    ...unsigned(parameters.length),
    ...parameters.map((type) => TYPES[type]),
    0,
  ]);
  const memory = [...named('host'), ...named('memory'), 2, 0, 1];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(2, [memory]),
    ...section(
      3,
      functions.map((_, index) => unsigned(index)),
    ),
    ...section(
      7,
      functions.map(({ name }, index) => [...named(name), 0, ...unsigned(index)]),
    ),
    ...section(
      10,
      functions.map((builder) => builder.encode()),
    ),
  ]);
}
