// kronlens inspect: the layers of a model, as a table or as JSON.
import { Command } from 'commander';
import { withEvaluator } from '../embedded.js';
import { type OpenedModel, openModel } from '../programs/index.js';
import { renderLayers } from '../report/layer-table.js';
import { renderUnsupported, unsupportedOps } from '../report/unsupported-ops.js';
import { interruptible } from './interruption.js';
import { namedShape } from './option-values.js';
import type { Terminal } from './terminal.js';

interface InspectOptions {
  readonly json?: true;
  readonly shape?: ReadonlyMap<string, readonly number[]>;
}

const EXAMPLES = `
Examples:
  kronlens inspect model.onnx
  kronlens inspect model.onnx --json
  kronlens inspect model.onnx --shape images=3x224x224`;

/** What --json prints. */
function inspection(model: OpenedModel) {
  const { path, sha256, opset, inputs, logits, fixedBatch, layers, notes } = model;
  return {
    model: path,
    sha256,
    opset,
    inputs: inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    logits: { value: logits.value, outputs: logits.outputs },
    fixedBatch: fixedBatch ?? null,
    layers: layers.layers.map(({ uses, bias, ...layer }) => ({
      ...layer,
      bias: bias ?? null,
      uses: uses.map(({ node, positions }) => ({ node, positions })),
    })),
    skipped: layers.skipped,
    unsupported: layers.unsupported,
    unsupportedOps: unsupportedOps(layers),
    notes,
  };
}

export function inspectCommand(terminal: Terminal): Command {
  return new Command('inspect')
    .description('show the layers of a model: names, shapes, what can be analysed')
    .argument('<model.onnx>', 'the model')
    .option('--json', 'print JSON')
    .option('--shape <input=1x28x28>', 'sizes of one sample that the file leaves open', namedShape)
    .addHelpText('after', EXAMPLES)
    .action(async (path: string, { json, shape }: InspectOptions) => {
      const model = await interruptible(undefined, (signal) =>
        withEvaluator(signal, (evaluator) =>
          openModel(path, evaluator, { sampleShapes: async () => shape ?? new Map() }),
        ),
      );
      if (json) terminal.out(JSON.stringify(inspection(model), null, 2));
      else {
        for (const line of renderLayers(model.layers)) terminal.out(line);
        for (const line of renderUnsupported(model.layers)) terminal.out(line);
        for (const note of model.notes) terminal.out(`note: ${note}`);
      }
    });
}
