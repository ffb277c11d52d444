import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type FunctionProto,
  FunctionProtoSchema,
  type NodeProtoSchema,
} from '../../gen/kronlens/onnx/onnx_pb.js';
import { graph, info, node } from '../../testing/small-graph.js';
import { float } from '../attributes.js';
import { decodeModel } from '../codec/decode-model.js';
import { encodeModel } from '../codec/encode-model.js';
import { ATTRIBUTE_TYPE } from '../codec/format.js';
import { ModelError } from '../codec/model-error.js';
import type { Graph } from '../graph.js';
import { printed } from '../printed.js';
import { inlineFunctions } from './inline-functions.js';

type NodeInit = MessageInitShape<typeof NodeProtoSchema>;

function localFunction(
  name: string,
  input: string[],
  output: string[],
  nodes: NodeInit[],
  more: MessageInitShape<typeof FunctionProtoSchema> = {},
): FunctionProto {
  const opsetImport = [{ domain: '', version: 20n }];
  const parts = { name, domain: 'local', input, output, node: nodes, opsetImport };
  return create(FunctionProtoSchema, { ...parts, ...(more as object) });
}

const refersTo = (name: string, parameter: string) => ({
  name,
  type: ATTRIBUTE_TYPE.float,
  refAttrName: parameter,
});

const x = info('x', ['N', 2]);
const domains = new Map([['local', 1]]);

/** The printed nodes, after the model went through a file. */
function inlined(before: Graph): string[] {
  const after = inlineFunctions(decodeModel(encodeModel(before, { untypedOutputs: true })));
  assert.equal(after.functions, undefined);
  assert.equal(after.domains.has('local'), false);
  return printed(after)
    .split('\n')
    .filter((line) => line.includes(' = '));
}

describe('inlineFunctions', () => {
  it('inlines nested calls with fresh names and optional inputs', () => {
    const functions = [
      localFunction(
        'Inner',
        ['a', 'bound'],
        ['b'],
        [
          { opType: 'Clip', input: ['a', '', 'bound'], output: ['t'] },
          { opType: 'Neg', input: ['t'], output: ['b'] },
        ],
      ),
      localFunction(
        'Outer',
        ['a'],
        ['c', 'd'],
        [
          { opType: 'Inner', domain: 'local', input: ['a'], output: ['t'] },
          { opType: 'Relu', input: ['t'], output: ['c'] },
          { opType: 'Exp', input: ['t'], output: ['d'] },
        ],
      ),
    ];
    const before = graph({
      inputs: [x],
      outputs: [info('y'), info('z')],
      domains,
      functions,
      nodes: [node('local/Outer', ['x'], ['h', '']), node('local/Outer', ['h'], ['y', 'z'])],
    });
    assert.deepEqual(inlined(before), [
      'h/t/t = Clip(x, _, _)',
      'h/t = Neg(h/t/t)  # h/t/b',
      'h = Relu(h/t)  # h/c',
      'h/d = Exp(h/t)',
      'y/t/t = Clip(h, _, _)',
      'y/t = Neg(y/t/t)  # y/t/b',
      'y = Relu(y/t)  # y/c',
      'z = Exp(y/t)  # y/d',
    ]);
  });

  it('gives parameters their value, their default, or nothing', () => {
    const functions = [
      localFunction(
        'Act',
        ['a'],
        ['b'],
        [
          {
            opType: 'Selu',
            input: ['a'],
            output: ['b'],
            attribute: [refersTo('alpha', 'slope'), refersTo('gamma', 'gain')],
          },
        ],
        {
          attribute: ['gain'],
          attributeProto: [{ name: 'slope', type: ATTRIBUTE_TYPE.float, f: 0.5 }],
        },
      ),
      localFunction(
        'Wrap',
        ['a'],
        ['b'],
        [
          {
            opType: 'Act',
            domain: 'local',
            input: ['a'],
            output: ['b'],
            attribute: [refersTo('slope', 'wrapped')],
          },
        ],
      ),
    ];
    const before = graph({
      inputs: [x],
      outputs: [info('c')],
      domains,
      functions,
      nodes: [
        node('local/Act', ['x'], ['a'], { gain: float(2) }),
        node('local/Act', ['a'], ['b'], { slope: float(0.25) }),
        node('local/Wrap', ['b'], ['c'], { wrapped: float(4) }),
      ],
    });
    assert.deepEqual(inlined(before), [
      'a = Selu<alpha=0.5 gamma=2>(x)  # a/b',
      'b = Selu<alpha=0.25>(a)  # b/b',
      'c = Selu<alpha=4>(b)  # c/b/b',
    ]);
  });

  it("passes inputs that are outputs through, and keeps a function's opset and domains", () => {
    const functions = [
      localFunction(
        'Both',
        ['a'],
        ['a', 'b'],
        [
          { opType: 'Special', domain: 'com.example', input: ['a'], output: ['t'] },
          { opType: 'Squeeze', input: ['t'], output: ['b'] },
        ],
        {
          opsetImport: [
            { domain: 'ai.onnx', version: 12n },
            { domain: 'com.example', version: 3n },
          ],
        },
      ),
    ];
    const before = graph({
      inputs: [x],
      outputs: [info('y'), info('z')],
      domains,
      functions,
      nodes: [node('local/Both', ['x'], ['y', 'z'])],
    });
    assert.deepEqual(inlined(before), [
      'y/t = com.example.Special@12(x)',
      'z = Squeeze@12(y/t)  # y/b',
      'y = Identity(x)  # y/y',
    ]);
    assert.deepEqual([...inlineFunctions(before).domains], [['com.example', 3]]);
  });

  it('renames and expands inside bodies', () => {
    const branch = (name: string, source: string) => ({
      name,
      type: ATTRIBUTE_TYPE.graph,
      g: {
        node: [
          { opType: 'Twice', domain: 'local', input: [source], output: ['t'] },
          { opType: 'Elu', input: ['t'], output: ['u'], attribute: [refersTo('alpha', 'slope')] },
        ],
        output: [{ name: 'u' }],
      },
    });
    const functions = [
      localFunction('Twice', ['a'], ['b'], [{ opType: 'Add', input: ['a', 'a'], output: ['b'] }]),
      localFunction(
        'Choose',
        ['a', 'c'],
        ['b'],
        [
          { opType: 'Neg', input: ['a'], output: ['n'] },
          {
            opType: 'If',
            input: ['c'],
            output: ['b'],
            attribute: [branch('then_branch', 'a'), branch('else_branch', 'n')],
          },
        ],
      ),
    ];
    const before = graph({
      inputs: [x, { name: 'flag', dtype: 'bool', shape: [] }],
      outputs: [info('y')],
      domains,
      functions,
      nodes: [node('local/Choose', ['x', 'flag'], ['y'], { slope: float(2) })],
    });
    const [, choice] = inlineFunctions(before).nodes;
    const branches = ['then_branch', 'else_branch'].map((name) => {
      const attribute = choice?.attributes[name];
      assert.equal(attribute?.kind, 'other');
      const { g } = attribute.value as { g: Parameters<typeof printedBody>[0] };
      return printedBody(g);
    });
    assert.deepEqual(branches, [
      ['Add x x -> y/t', 'Elu y/t -> y/u'],
      ['Add y/n y/n -> y/t', 'Elu y/t -> y/u'],
    ]);
  });

  it('refuses functions that call themselves', () => {
    const call = { opType: 'Loop', domain: 'local', input: ['a'], output: ['b'] };
    const before = graph({
      inputs: [x],
      outputs: [info('y')],
      domains,
      functions: [localFunction('Loop', ['a'], ['b'], [call])],
      nodes: [node('local/Loop', ['x'], ['y'])],
    });
    assert.throws(
      () => inlineFunctions(before),
      (error) => error instanceof ModelError && error.message.includes("'Loop' calls itself"),
    );
  });

  it('refuses calls that expand without bound', () => {
    const functions = Array.from({ length: 40 }, (_, level) =>
      localFunction(
        `F${level}`,
        ['a'],
        ['b'],
        [
          { opType: `F${level + 1}`, domain: 'local', input: ['a'], output: ['t'] },
          { opType: `F${level + 1}`, domain: 'local', input: ['t'], output: ['b'] },
        ],
      ),
    );
    const before = graph({
      inputs: [x],
      outputs: [info('y')],
      domains,
      functions,
      nodes: [node('local/F0', ['x'], ['y'])],
    });
    assert.throws(() => inlineFunctions(before), /expand to more than/);
  });
});

function printedBody(body: {
  readonly node: readonly { opType: string; input: string[]; output: string[] }[];
}): string[] {
  return body.node.map(
    ({ opType, input, output }) => `${opType} ${input.join(' ')} -> ${output.join(' ')}`,
  );
}
