// Everything that the other rooms may use of proto, by name.
export * from './gen/kronlens/v1/program_pb.js';
export * from './gen/kronlens/v1/task_pb.js';
export * from './gen/kronlens/v1/tensor_pb.js';
