// ONNX Runtime as everything here imports it: with its reports to its makers switched off.
import './no-telemetry.js';
import ort from 'onnxruntime-node';

export default ort;
