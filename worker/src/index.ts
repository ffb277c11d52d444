// Everything that other rooms may use of the worker, by name.
export { examineMachine, type MachineReport, type MachineRow } from './examine.js';
export { createExecutor, type Executor, type ExecutorOptions } from './execute.js';
