// The error for a layer that has not the same shape in every run.
import { BadInputError } from '@kronlens/proto';

/** @param what follows "layer 'x' has", for example "4x3 weights in a and 5x3 in b" */
export function differentShapes(layer: string, what: string): BadInputError {
  return new BadInputError(
    'different-shapes',
    `layer '${layer}' has ${what}; compare runs of one architecture, made with the same --bias`,
    { layer },
  );
}
