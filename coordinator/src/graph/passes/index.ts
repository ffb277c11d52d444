// The graph's passes, by name.
export { canonicalise } from './canonicalise.js';
export { chooseBranches } from './choose-branches.js';
export { removeDeadCode } from './dead-code.js';
export { inlineFunctions } from './inline-functions.js';
export { removeConstants } from './remove-constants.js';
export { removeIdentities } from './remove-identities.js';
export { resolveCastLike } from './resolve-cast-like.js';
export { CANONICAL_OPSET, upgrade } from './upgrade.js';
