// Everything that the other rooms may use of proto, by name.
export { clone, create } from '@bufbuild/protobuf';
export { FlatTable, MalformedFlatBuffer } from './arrow/flatbuffer.js';
export { layerFileNames } from './arrow/layer-file-names.js';
export {
  decodeMatrixFile,
  encodeMatrixFile,
  MalformedMatrixFileError,
  type MatrixFile,
} from './arrow/matrix-file.js';
export {
  decodeTable,
  encodeTable,
  LAYERS,
  type LayerRow,
  MalformedTableError,
  MEAN_OVERLAP,
  type MeanOverlapRow,
  OVERLAP,
  type OverlapRow,
  PREDICTION,
  type PredictionRow,
  SPECTRA,
  type SpectrumRow,
  STRUCTURE,
  type StructureRow,
  type TableSchema,
  TRAJECTORY,
  type TrajectoryRow,
} from './arrow/tables.js';
export {
  type BundleTensor,
  decodeBundle,
  encodeBundle,
  MalformedBundleError,
  packSymmetric,
  storedLength,
  unpackSymmetric,
} from './arrow/tensor-bundle.js';
export { fromErrorReport, toErrorReport } from './errors/error-report.js';
export {
  BadInputError,
  CancelledError,
  DiskFullError,
  type ErrorFacts,
  KronlensError,
} from './errors/kronlens-error.js';
export {
  InputRole,
  type Program,
  type ProgramInput,
  ProgramInputSchema,
  type ProgramOutput,
  ProgramOutputSchema,
  ProgramSchema,
  Reduction,
} from './gen/kronlens/v1/program_pb.js';
export {
  type ArtifactRef,
  ArtifactRefSchema,
  type CurvatureTask,
  CurvatureTaskSchema,
  type DescribeDataTask,
  DescribeDataTaskSchema,
  type EigenTask,
  EigenTaskSchema,
  type ErrorReport,
  ErrorReportSchema,
  type EvaluateTask,
  EvaluateTaskSchema,
  type KroneckerBlock,
  KroneckerBlockSchema,
  type KroneckerEigen,
  KroneckerEigenSchema,
  type KroneckerPair,
  KroneckerPairSchema,
  type MergeTask,
  MergeTaskSchema,
  type Operator,
  OperatorSchema,
  type OutputHeuristic,
  OutputHeuristicSchema,
  type ProgramTask,
  ProgramTaskSchema,
  type Progress,
  ProgressSchema,
  type StructureTask,
  StructureTaskSchema,
  type Task,
  type TaskResult,
  TaskResultSchema,
  TaskSchema,
  type ValueType,
  ValueTypeSchema,
} from './gen/kronlens/v1/task_pb.js';
export {
  type DataArray,
  DataArraySchema,
  DataFormat,
  ElementType,
  type Tensor,
  TensorSchema,
} from './gen/kronlens/v1/tensor_pb.js';
export {
  decodeProgram,
  decodeResult,
  decodeTask,
  encodeProgram,
  encodeResult,
  encodeTask,
  MalformedMessageError,
  taskId,
} from './messages/codec.js';
export {
  ArtifactCorruptError,
  ArtifactMissingError,
  type ArtifactStore,
  contentId,
  type StoredArtifact,
} from './store/artifact-store.js';
export { isDiskFull, writeFileAtomic } from './store/atomic-file.js';
export { FolderStore } from './store/folder-store.js';
