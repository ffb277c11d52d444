// Names that exporters make up for constants, as opposed to those of a module's parameters.
const MADE_UP =
  /^(val_\d+|onnx::.*|\/.*|\d+|clone|lifted_tensor_.*|_?tensor_constant.*|scalar_.*|[A-Za-z_]+_\d+)$/;

/** Whether an initializer's name tells nothing of the model. */
export function isMadeUp(name: string): boolean {
  return MADE_UP.test(name);
}
