// Keeps ONNX Runtime from reporting to its makers: imported before it, wherever it is.

/**
 * Builds of ONNX Runtime 1.30 write every session to a database below ~/.cache, with an identifier of the
 * device, and send it over the network. Threads take this from the process: the main thread has to import
 * it, too, before it starts them. Whoever sets the variable decides.
 */
process.env.ORT_DISABLE_TELEMETRY ??= '1';
