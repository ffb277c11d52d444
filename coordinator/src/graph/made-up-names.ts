// Names that exporters make up for constants, as opposed to those of a module's parameters.
const MADE_UP =
  /^(val_\d+|onnx::.*|\/.*|\d+|clone|lifted_tensor_.*|_?tensor_constant.*|scalar_.*|(max|min)_val(_cast)?|[A-Za-z_]+_\d+)$/;

/** PyTorch's current exporter calls a constant that it has computed after the op, the first without a number. */
const AFTER_OP =
  /^(_to_copy|_unsafe_view|add|arange|bmm|cat|cos|cumsum|div|einsum|exp|expand|flip|full|gather|getitem|index|index_put|masked_fill|matmul|mm|mul|neg|outer|permute|pow|repeat|reshape|roll|rsqrt|select|sin|slice|slice_scatter|sqrt|squeeze|stack|sub|transpose|tril|triu|unsqueeze|view|where)(_\d+)?$/;

/** Whether an initializer's name tells nothing of the model. */
export function isMadeUp(name: string): boolean {
  return MADE_UP.test(name) || AFTER_OP.test(name);
}

/** Whether an exporter has computed the initializer from others, beyond transposing one, by its name. */
export function isComputedByExporter(name: string): boolean {
  return AFTER_OP.test(name) && !/^(permute|transpose)/.test(name);
}
