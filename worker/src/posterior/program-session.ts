// A program with parameters in a thread: its session, and the feeds and outputs that stay from run to run.
import {
  decodeBundle,
  ElementType,
  InputRole,
  KronlensError,
  type Program,
  type ProgramInput,
} from '@kronlens/proto';
import type { JobContext } from '../pool/serve-jobs.js';
import { discard } from '../session/discard.js';
import { loadSession, runSession, type Session, type Tensors } from '../session/runtime-session.js';
import { runtimeTensor } from '../session/tensor-types.js';
import type { ParameterArrays, ParameterFacts, ParameterMemory } from './parameter-memory.js';
import type { BasisIds } from './posterior-job.js';

/** The parameters of a program, in its order. */
export function programParameters({ inputs }: Program): readonly ParameterFacts[] {
  const rotated = new Set(
    inputs.filter(({ role }) => role === InputRole.NOISE).map(({ parameter }) => parameter),
  );
  return inputs
    .filter(({ role }) => role === InputRole.PARAMETER)
    .map(({ parameter, shape }) => ({
      name: parameter,
      shape: shape.map(Number),
      rotated: rotated.has(parameter),
    }));
}

/** Bases as tensors, read once for all programs of a job. */
export class BasisTensors {
  readonly #bases: ReadonlyMap<string, readonly BasisIds[]>;
  readonly #context: JobContext;
  readonly #tensors = new Map<string, Tensors[string]>();

  constructor(bases: ReadonlyMap<string, readonly BasisIds[]>, context: JobContext) {
    this.#bases = bases;
    this.#context = context;
  }

  /** The basis that an OUTPUT_BASIS or INPUT_BASIS input takes. */
  async of(input: ProgramInput): Promise<Tensors[string]> {
    const known = this.#tensors.get(input.name);
    if (known !== undefined) return known;
    const shape = input.shape.map(Number);
    const [groups = 0, size = 0] = shape;
    const ids = this.#bases.get(input.parameter) ?? [];
    if (ids.length !== groups)
      throw new KronlensError(
        'bad-task',
        `${groups} bases are needed for '${input.parameter}', the task has ${ids.length}`,
      );
    const values = new Float32Array(groups * size * size);
    for (const [group, { output, input: inner }] of ids.entries()) {
      const id = input.role === InputRole.OUTPUT_BASIS ? output : inner;
      const vectors = decodeBundle(await this.#context.artifact(id)).get('eigenvectors')?.values;
      if (vectors?.length !== size * size)
        throw new KronlensError(
          'bad-task',
          `a basis of '${input.parameter}' is not ${size} x ${size}`,
        );
      values.set(vectors, group * size * size);
    }
    const tensor = runtimeTensor(ElementType.FLOAT32, values, shape);
    this.#tensors.set(input.name, tensor);
    return tensor;
  }
}

/** The array of a parameter that an input or output of a program lies in. */
type Place = (parameter: ParameterArrays, role: InputRole) => Tensors[string];

export class ProgramSession {
  readonly program: Program;
  readonly #session: Session;
  readonly #feeds: Tensors;
  readonly #into: Readonly<Record<string, Tensors[string] | null>>;

  private constructor(
    program: Program,
    session: Session,
    feeds: Tensors,
    into: Readonly<Record<string, Tensors[string] | null>>,
  ) {
    this.program = program;
    this.#session = session;
    this.#feeds = feeds;
    this.#into = into;
  }

  /**
   * @param input where PARAMETER and NOISE inputs lie
   * @param output where outputs that belong to a parameter go
   * @throws RuntimeFailure, CancelledError, KronlensError when program and memory do not fit
   */
  static async open(
    program: Program,
    memory: ParameterMemory,
    bases: BasisTensors,
    input: Place,
    output: (parameter: ParameterArrays, kind: string) => Tensors[string],
    context: JobContext,
  ): Promise<ProgramSession> {
    const find = (name: string) => {
      const found = memory.parameters.find(({ facts }) => facts.name === name);
      if (found !== undefined) return found;
      throw new KronlensError(
        'bad-task',
        `program '${program.name}' has a parameter '${name}' that the others lack`,
      );
    };
    const feeds: Record<string, Tensors[string]> = {};
    for (const each of program.inputs) {
      const { name, role, parameter } = each;
      if (role === InputRole.PARAMETER || role === InputRole.NOISE)
        feeds[name] = input(find(parameter), role);
      else if (role === InputRole.OUTPUT_BASIS || role === InputRole.INPUT_BASIS)
        feeds[name] = await bases.of(each);
    }
    const into: Record<string, Tensors[string] | null> = {};
    for (const { name, parameter, kind, shape } of program.outputs) {
      const sizes = shape.map(Number);
      const length = sizes.reduce((product, size) => product * size, 1);
      into[name] =
        parameter === ''
          ? runtimeTensor(ElementType.FLOAT32, new Float32Array(length), sizes)
          : output(find(parameter), kind);
    }
    const model = await context.artifact(program.model);
    const session = await context.native(() =>
      loadSession(model, `program '${program.name}'`, true),
    );
    return new ProgramSession(program, session, feeds, into);
  }

  /** @param data the inputs that change from run to run */
  async run(data: Tensors, context: JobContext): Promise<void> {
    const subject = `program '${this.program.name}'`;
    const feeds = { ...this.#feeds, ...data };
    const into = this.#into;
    const results = await context.native(() => runSession(this.#session, feeds, into, subject));
    discard(results, into);
  }

  /** What the last run gave for the output of a kind that belongs to no parameter. */
  output(kind: string): Float32Array {
    const output = this.program.outputs.find((each) => each.kind === kind);
    if (output !== undefined) return this.named(output.name);
    throw new KronlensError('bad-program', `program '${this.program.name}' has no '${kind}'`);
  }

  /** What the last run gave for an output, in memory that the next run uses again. */
  tensor(name: string): Tensors[string] {
    const tensor = this.#into[name];
    if (tensor != null) return tensor;
    throw new KronlensError(
      'bad-program',
      `program '${this.program.name}' has no output '${name}'`,
    );
  }

  /** The same as numbers. */
  named(name: string): Float32Array {
    const { data } = this.tensor(name);
    if (data instanceof Float32Array) return data;
    throw new KronlensError('bad-program', `output '${name}' is not float32`);
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}
