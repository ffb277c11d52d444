// Everything that other rooms may use of how processes tell what they are up to, by name.
export { ProcessMetrics } from './process-metrics.js';
export { answerStatus, type HttpAddress, type StatusServer } from './status-server.js';
