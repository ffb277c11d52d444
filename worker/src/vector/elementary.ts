// Exponential, logarithm, sine and cosine of four floats at a time.
// Source: polynomials of the Cephes library (Moshier, expf.c, logf.c, sinf.c): within 2 units in the last place.
import { type Code, type FunctionBuilder, f32x4, i32, i32x4, v128 } from './assembler.js';

/** Horner's rule, highest power first. */
function polynomial(f: FunctionBuilder, x: Code, coefficients: readonly number[]): Code {
  const [first = 0, ...rest] = coefficients;
  let value = f32x4.of(first);
  for (const coefficient of rest)
    value = f.let(f32x4.add(f32x4.mul(value, x), f32x4.of(coefficient)));
  return value;
}

/** exp(x); x is held within [-87, 88], where results are neither denormal nor infinite. */
export function emitExp(f: FunctionBuilder, x: Code): Code {
  const held = f.let(f32x4.min(f32x4.max(x, f32x4.of(-87)), f32x4.of(88)));
  // Rounds to an integer, which the low bits of the sum hold.
  const shift = f32x4.of(1.5 * 2 ** 23);
  const shifted = f.let(f32x4.add(f32x4.mul(held, f32x4.of(Math.LOG2E)), shift));
  const power = f.let(f32x4.sub(shifted, shift));
  // ln 2 in two parts, so that the product with a small integer is exact.
  const high = f32x4.sub(held, f32x4.mul(power, f32x4.of(0.693359375)));
  const r = f.let(f32x4.add(high, f32x4.mul(power, f32x4.of(2.1219444005469057e-4))));
  const series = polynomial(
    f,
    r,
    [
      1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
      5.0000001201e-1,
    ],
  );
  const y = f32x4.add(f32x4.add(f32x4.mul(series, f32x4.mul(r, r)), r), f32x4.of(1));
  const exponent = i32x4.add(shifted, i32x4.of(127));
  return f.let(f32x4.mul(y, i32x4.shiftLeft(exponent, i32.of(23))));
}

/** ln(x) of positive, normal x. */
export function emitLog(f: FunctionBuilder, x: Code): Code {
  // x = 2^e m with m in [sqrt(1/2), sqrt(2)).
  const offset = f.let(i32x4.sub(x, i32x4.of(0x3f3504f3)));
  const e = f.let(f32x4.fromSigned(i32x4.shiftRightSigned(offset, i32.of(23))));
  const fraction = v128.and(offset, i32x4.of(0x007fffff));
  const m = f.let(f32x4.sub(i32x4.add(fraction, i32x4.of(0x3f3504f3)), f32x4.of(1)));
  const series = polynomial(
    f,
    m,
    [
      7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1,
      -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    ],
  );
  const square = f.let(f32x4.mul(m, m));
  const cubic = f32x4.mul(f32x4.mul(series, m), square);
  const low = f32x4.sub(
    f32x4.add(cubic, f32x4.mul(e, f32x4.of(-2.1219444005469057e-4))),
    f32x4.mul(square, f32x4.of(0.5)),
  );
  return f.let(f32x4.add(f32x4.add(low, m), f32x4.mul(e, f32x4.of(0.693359375))));
}

/** Sine and cosine of x in [-pi/4, pi/4]. */
export function emitSineCosine(
  f: FunctionBuilder,
  x: Code,
): { readonly sine: Code; readonly cosine: Code } {
  const square = f.let(f32x4.mul(x, x));
  const odd = polynomial(f, square, [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]);
  const sine = f.let(f32x4.add(f32x4.mul(f32x4.mul(odd, square), x), x));
  const even = polynomial(
    f,
    square,
    [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2],
  );
  const tail = f32x4.mul(f32x4.mul(even, square), square);
  const cosine = f.let(f32x4.add(f32x4.sub(tail, f32x4.mul(square, f32x4.of(0.5))), f32x4.of(1)));
  return { sine, cosine };
}
