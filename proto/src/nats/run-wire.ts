// Bytes of the messages between coordinators and those who ask for runs.
import { toBinary } from '@bufbuild/protobuf';
import {
  type CoordinatorHello,
  CoordinatorHelloSchema,
  type RunNews,
  RunNewsSchema,
  type RunRequest,
  RunRequestSchema,
  type StoredFolder,
  StoredFolderSchema,
} from '../gen/kronlens/v1/cluster_pb.js';
import { decode } from '../messages/codec.js';

export const encodeRunRequest = (request: RunRequest): Uint8Array =>
  toBinary(RunRequestSchema, request);
/** @throws MalformedMessageError */
export const decodeRunRequest = (bytes: Uint8Array): RunRequest =>
  decode(RunRequestSchema, 'run request', bytes);

export const encodeStoredFolder = (folder: StoredFolder): Uint8Array =>
  toBinary(StoredFolderSchema, folder);
/** @throws MalformedMessageError */
export const decodeStoredFolder = (bytes: Uint8Array): StoredFolder =>
  decode(StoredFolderSchema, 'list of stored files', bytes);

export const encodeRunNews = (news: RunNews): Uint8Array => toBinary(RunNewsSchema, news);
/** @throws MalformedMessageError */
export const decodeRunNews = (bytes: Uint8Array): RunNews =>
  decode(RunNewsSchema, 'news of a run', bytes);

export const encodeHello = (hello: CoordinatorHello): Uint8Array =>
  toBinary(CoordinatorHelloSchema, hello);
/** @throws MalformedMessageError */
export const decodeHello = (bytes: Uint8Array): CoordinatorHello =>
  decode(CoordinatorHelloSchema, "coordinator's answer", bytes);
