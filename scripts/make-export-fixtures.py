"""Exports one small network in the forms that PyTorch's exporters have written over the years.

Writes coordinator/fixtures/exports/*.onnx and expected.json, the network's input and output as
PyTorch computes them. Needs torch, onnx and onnxscript; run from the repository's root.
"""
import json
import pathlib

import onnx
import torch
from torch import nn
from torch.nn import functional

FOLDER = pathlib.Path('coordinator/fixtures/exports')


class Small(nn.Module):
    """Something of every kind whose written form depends on the exporter and the opset."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.prelu = nn.PReLU(4)
        self.tied = nn.Linear(4, 4)
        self.last = nn.Linear(3, 3)

    def forward(self, x):
        x = functional.relu6(self.norm(self.first(x)))
        x = x + self.norm(self.prelu(self.grouped(x)))
        x = functional.avg_pool2d(functional.pad(x, (0, 1, 1, 0)), 2, ceil_mode=True)
        x = functional.interpolate(x, scale_factor=2.0, mode='nearest')
        x = functional.dropout(x, 0.5, self.training).amax((2, 3))
        x = self.tied(self.tied(x).clamp(min=-0.2))
        return functional.log_softmax(self.last(x[:, 1:]), dim=1)


def drop_traces(path):
    """Leaves out where the network's source lies on the machine that exported it."""
    model = onnx.load(path, load_external_data=False)
    for node in model.graph.node:
        kept = [p for p in node.metadata_props if p.key == 'pkg.torch.onnx.name_scopes']
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
        node.doc_string = ''
    onnx.save(model, path)


def main():
    torch.manual_seed(0)
    net = Small()
    net.norm.running_mean.normal_()
    net.norm.running_var.uniform_(0.5, 2)
    net.eval()
    x = torch.randn(3, 2, 7, 7)
    FOLDER.mkdir(parents=True, exist_ok=True)
    names = {'input_names': ['x'], 'output_names': ['y']}
    old = {**names, 'dynamo': False, 'dynamic_axes': {'x': {0: 'batch'}, 'y': {0: 'batch'}}}
    new = {**names, 'dynamo': True, 'dynamic_shapes': ({0: torch.export.Dim('batch')},)}
    forms = {
        'torchscript9': {**old, 'opset_version': 9},
        'torchscript11': {**old, 'opset_version': 11, 'do_constant_folding': False},
        'functions17': {**old, 'opset_version': 17, 'export_modules_as_functions': True},
        'current20': {**new, 'opset_version': 20, 'external_data': False},
        'external20': {**new, 'opset_version': 20, 'optimize': False, 'external_data': True},
    }
    for name, options in forms.items():
        path = str(FOLDER / f'{name}.onnx')
        torch.onnx.export(net, (x,), path, **options)
        drop_traces(path)
    with torch.no_grad():
        y = net(x)
    expected = {'shape': list(x.shape), 'x': x.flatten().tolist(), 'y': y.tolist()}
    (FOLDER / 'expected.json').write_text(json.dumps(expected) + '\n')


if __name__ == '__main__':
    main()
