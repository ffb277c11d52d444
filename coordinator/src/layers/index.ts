// Layers: what is analysed, by name.
export { constantLayers } from './constant-layers.js';
export { discoverLayers } from './discover.js';
export { ancestors } from './downstream.js';
export { foldedEmbeddings } from './folded-embeddings.js';
export type {
  Discovery,
  Layer,
  LayerOp,
  LayerUse,
  SkippedLayer,
  UnsupportedNode,
} from './layer.js';
export { biasName, isEmbedding, isVectorwise, weightName } from './layer.js';
export { type ChainWeight, type LinearChain, linearChain } from './linear-chain.js';
export { distinctNames, layerName, moduleName } from './names.js';
export { type ProjectionSplit, splitProjections } from './split-projections.js';
