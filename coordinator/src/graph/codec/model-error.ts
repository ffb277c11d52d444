// Errors about model files.
import { BadInputError } from '@kronlens/proto';

/** The model file cannot be used; the message names it and says what to do. */
export class ModelError extends BadInputError {
  constructor(code: string, message: string, cause?: unknown) {
    super(code, message, {}, cause);
  }
}
