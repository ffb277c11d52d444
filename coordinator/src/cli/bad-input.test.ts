// Bad input: exit code 2, one sentence that names what is wrong, and nothing left behind.
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { int, ints, tensor } from '../graph/index.js';
import { kronlens } from '../testing/kronlens-process.js';
import { changedModel, networkBytes, withExternalData, writeModel } from '../testing/model-file.js';
import { writeNpy } from '../testing/npy-file.js';
import { temporaryFolder } from '../testing/result-folder.js';
import { node } from '../testing/small-graph.js';

const SAMPLES = 20;
const ramp = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i));
const classes = () => BigInt64Array.from({ length: SAMPLES }, (_, i) => BigInt(i % 3));

/** The model, data, labels and options of one command; good where not said otherwise. */
interface Attempt {
  readonly model?: Uint8Array;
  readonly data?: {
    readonly values: Float32Array | Float64Array | BigInt64Array;
    readonly shape: number[];
  };
  readonly labels?: BigInt64Array;
  readonly options?: readonly string[];
}

describe('bad input', { concurrency: 2 }, () => {
  let folder = '';
  let remove = async () => {};
  before(async () => {
    ({ folder, remove } = await temporaryFolder());
  });
  after(() => remove());

  async function attempt(name: string, { model, data, labels, options = [] }: Attempt) {
    const home = join(folder, name);
    await mkdir(home);
    const [modelPath, dataPath, labelPath] = ['model.onnx', 'x.npy', 'y.npy'].map((file) =>
      join(home, file),
    ) as [string, string, string];
    await writeModel(modelPath, model ?? networkBytes());
    await writeNpy(dataPath, data?.values ?? ramp(SAMPLES * 4), data?.shape ?? [SAMPLES, 4]);
    const y = labels ?? classes();
    await writeNpy(labelPath, y, [y.length]);
    const out = join(home, 'out');
    const ended = await kronlens(
      ...[
        'analyze',
        modelPath,
        '--data',
        dataPath,
        '--labels',
        labelPath,
        '--out',
        out,
        ...options,
      ],
    );
    return { ...ended, home, out };
  }

  async function refused(name: string, what: Attempt, message: RegExp): Promise<void> {
    const { code, stdout, stderr, home } = await attempt(name, what);
    const said = stderr.split('\n').filter((line) => line.startsWith('kronlens: '));
    assert.equal(said.length, 1, stderr);
    assert.match(said[0] ?? '', message);
    assert.doesNotMatch(stderr, /^ +at /m);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    assert.deepEqual((await readdir(home)).sort(), ['model.onnx', 'x.npy', 'y.npy']);
  }

  const middle = (...nodes: Parameters<typeof networkBytes>[0] & object) => networkBytes(nodes);

  it('is good where nothing is wrong', async () => {
    const { code, stderr } = await attempt('good', {});
    assert.equal(code, 0, stderr);
  });

  it('a model file that is none, truncated, or not there', async () => {
    await refused(
      'text',
      { model: Buffer.from('hello, world\n'.repeat(9)) },
      /model\.onnx is not an ONNX file/,
    );
    await refused('empty-model', { model: new Uint8Array(0) }, /model\.onnx is empty/);
    const whole = networkBytes();
    await refused(
      'truncated',
      { model: whole.slice(0, whole.length - 40) },
      /model\.onnx.*truncated/,
    );
    const { code, stderr } = await kronlens(
      ...['analyze', join(folder, 'gone.onnx'), '--data', 'x', '--out', join(folder, 'o')],
    );
    assert.equal(code, 2);
    assert.match(stderr, /^kronlens: cannot read the model '.*gone\.onnx'/);
  });

  it('external data that are missing, or outside the folder', async () => {
    await refused(
      'missing-external',
      { model: withExternalData('weights.bin') },
      /external data file 'weights\.bin' of tensor 'fc1\.weight' is missing/,
    );
    await writeFile(join(folder, 'outside.bin'), new Uint8Array(80));
    for (const [index, location] of ['../outside.bin', '/etc/passwd'].entries())
      await refused(
        `outside-${index}`,
        { model: withExternalData(location) },
        /'fc1\.weight'.*folder/,
      );
  });

  it('an opset that is too new', () =>
    refused(
      'opset',
      {
        model: changedModel(networkBytes(), (model) => {
          for (const entry of model.opsetImport) entry.version = 99n;
        }),
      },
      /model\.onnx uses opset 99; opsets 9 to \d+ are supported/,
    ));

  it('an unsupported op, with its node and the layers that it blocks', async () => {
    const model = middle(
      node('Constant', [], ['width'], { value_ints: ints([5]) }),
      node('CenterCropPad', ['hidden', 'width'], ['active'], { axes: ints([1]) }),
    );
    await refused(
      'unsupported',
      { model },
      /unsupported op CenterCropPad in node 'active' \(opset 20\) blocks the layer fc1; --skip-unsupported analyses the other layer \(fc2\)$/,
    );
    await refused(
      'unsupported-only',
      { model, options: ['--skip-unsupported', '--layers', 'fc1'] },
      /unsupported op CenterCropPad in node 'active'.*no other layer is left to analyse/,
    );
    const { code, stdout, out } = await attempt('skipped', {
      model,
      options: ['--skip-unsupported'],
    });
    assert.equal(code, 0);
    assert.match(stdout, /^skipped fc1: unsupported op CenterCropPad/m);
    assert.deepEqual((await readdir(join(out, 'eigenvectors'))).sort(), [
      'fc2.ggn.arrow',
      'fc2.input.arrow',
      'fc2.output.arrow',
    ]);
  });

  it('batch normalisation and dropout in training mode', async () => {
    const inputs = ['hidden', 'ones', 'ones', 'ones', 'ones'];
    const normalisation = node('BatchNormalization', inputs, ['active', 'm', 'v'], {
      training_mode: int(1),
    });
    await refused(
      'batch-norm',
      { model: middle(normalisation) },
      /BatchNormalization.*training mode/,
    );
    const dropout = node('Dropout', ['hidden', 'half', 'true'], ['active']);
    await refused('dropout', { model: middle(dropout) }, /Dropout.*training mode/);
  });

  it('data of another shape or type, empty, or of another length than the labels', async () => {
    const values = ramp(SAMPLES * 5);
    await refused(
      'shape',
      { data: { values, shape: [SAMPLES, 5] } },
      /x\.npy: data 'x' has samples of shape \[5\], the model's input 'x' wants \[4\]/,
    );
    await refused(
      'type',
      { data: { values: new BigInt64Array(SAMPLES * 4), shape: [SAMPLES, 4] } },
      /x\.npy: data 'x' holds int64, the model's input 'x' wants float32/,
    );
    await refused('empty', { data: { values: ramp(0), shape: [0, 4] } }, /x\.npy.*holds no values/);
    await refused('lengths', { labels: classes().slice(1) }, /there are 20 samples, but 19 labels/);
  });

  it('a label out of range, named with its sample', () => {
    const labels = classes();
    labels[13] = 3n;
    return refused('label', { labels }, /y\.npy.*sample 13.*3/);
  });

  it('NaN and infinity in the data', async () => {
    for (const [name, value] of [
      ['nan', Number.NaN],
      ['infinity', Number.POSITIVE_INFINITY],
    ] as const) {
      const values = ramp(SAMPLES * 4);
      values[4 * 17 + 2] = value;
      await refused(
        name,
        { data: { values, shape: [SAMPLES, 4] } },
        /x\.npy.*sample 17 is (NaN|infinite)/,
      );
    }
  });

  it('NaN that the model produces, with the layer and the samples', () => {
    // Only sample 9 is so large that fc2 overflows.
    const values = ramp(SAMPLES * 4);
    values.fill(1e30, 4 * 9, 4 * 10);
    return refused(
      'overflow',
      {
        model: networkBytes(undefined, 1e6),
        data: { values, shape: [SAMPLES, 4] },
        options: ['--batch', '4'],
      },
      /layer 'fc[12]'.*samples? 8 to 11/,
    );
  });

  it('a model without a layer that can be analysed', () =>
    refused(
      'no-layer',
      {
        model: changedModel(networkBytes(), (model) => {
          const { graph } = model;
          if (graph === undefined) return;
          const [first] = graph.node;
          if (first === undefined) return;
          first.opType = 'Relu';
          first.input = ['x'];
          first.output = ['logits'];
          graph.node = [first];
          graph.initializer = [];
          if (graph.output[0] !== undefined && graph.input[0] !== undefined)
            graph.output[0].type = graph.input[0].type;
        }),
      },
      /model\.onnx has no layer that can be analysed/,
    ));

  it('weights that are not finite', () =>
    refused(
      'weights',
      {
        model: changedModel(networkBytes(), (model) => {
          const weight = model.graph?.initializer.find(({ name }) => name === 'fc2.weight');
          if (weight !== undefined)
            weight.rawData = tensor.floatTensor(Array(15).fill(Number.NaN), [15]).bytes;
        }),
      },
      /fc2|fc1/,
    ));

  it('an output folder that is not empty stays as it is', async () => {
    const out = join(folder, 'full');
    await mkdir(out);
    await writeFile(join(out, 'notes.txt'), 'mine');
    const { code, stderr } = await kronlens(
      ...['analyze', join(folder, 'm.onnx'), '--data', 'x.npy', '--out', out],
    );
    assert.equal(code, 2);
    assert.match(stderr, /^kronlens: --out .*full is not empty/);
    assert.deepEqual(await readdir(out), ['notes.txt']);
  });

  it('options that are wrong or contradict each other', async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['--layers', 'gone*'], /--layers 'gone\*' matches no layer of .*; it has fc1, fc2/],
      [['--samples', '21'], /--samples 21 is more than the 20 samples/],
      [['--mc-samples', '3'], /--mc-samples needs --output-hessian mc/],
      [['--output-hessian', 'mc', '--curvature', 'fisher-empirical'], /give one of the two/],
      [['--which', 'both'], /--which needs --curvature hessian/],
      [['--curvature', 'hessian', '--measure', 'factors'], /add curvature to --measure/],
      [['--device', 'cuda'], /'cuda' is not available yet/],
      [['--probes', '3'], /--probes needs --density/],
      [['--density', '9', '--measure', 'eigen'], /add curvature to --measure/],
      [['--class-means', '--output-hessian', 'mc'], /--class-means is of the exact output Hessian/],
      [
        ['--full-hessian', '--memory', '50K'],
        /--full-hessian: 50 eigenvectors of 35 weights and biases take .* raise --memory/,
      ],
      [['--seed', '-1'], /--seed/],
      [['--nonsense'], /unknown option '--nonsense'/],
      [['--resume', 'more'], /too many arguments/],
    ];
    for (const [index, [options, message]] of cases.entries())
      await refused(`options-${index}`, { options }, message);
  });

  it('--debug adds the stack to the sentence', async () => {
    const { code, stderr } = await attempt('debug', {
      model: Buffer.from('nothing'),
      options: ['--debug'],
    });
    assert.equal(code, 2);
    assert.match(stderr, /^kronlens: /);
    assert.match(stderr, /^ +at /m);
  });
});
