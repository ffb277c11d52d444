// What is asked of a coordinator, in full: made where the files are, read where the run is planned.
import { readFile } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import {
  type ArtifactStore,
  create,
  type DataArray,
  DescribeDataTaskSchema,
  KronlensError,
  type Task,
  type TaskResult,
  TaskSchema,
} from '@kronlens/proto';
import {
  DescribedFileSchema,
  decodeRunRequest,
  encodeRunRequest,
  RunRequestSchema,
} from '@kronlens/proto/nats';
import { externalFiles, loadModel } from '../graph/index.js';
import type { AnalysisRequest } from '../plan/prepare-run.js';
import { CODE_VERSION } from '../version.js';
import { fetchFiles, storeFiles } from './stored-folder.js';

/** Opens a model to see whether it can be used, and stores all its files. */
async function storeModel(store: ArtifactStore, model: string) {
  await loadModel(model);
  const others = externalFiles(await readFile(model));
  const folder = dirname(model);
  return await storeFiles(store, folder, [
    basename(model),
    ...others.map((path) => path.split(sep).join('/')),
  ]);
}

async function describe(path: string, execute: (task: Task) => Promise<TaskResult>) {
  const value = create(DescribeDataTaskSchema, { paths: [path] });
  const { arrays } = await execute(
    create(TaskSchema, { codeVersion: CODE_VERSION, kind: { case: 'describeData', value } }),
  );
  return create(DescribedFileSchema, { path, arrays });
}

/**
 * Stores what a coordinator needs for a run: the model's files, and what the data files hold.
 * @param execute looks into data files
 * @returns the content id of the request
 * @throws ModelError, BadInputError; the store's errors
 */
export async function storeRequest(
  store: ArtifactStore,
  { options, execution }: AnalysisRequest,
  execute: (task: Task) => Promise<TaskResult>,
): Promise<string> {
  const { data, labels, model } = execution;
  const paths = labels === undefined ? [data] : [data, labels];
  const described = [];
  for (const path of paths) described.push(await describe(path, execute));
  const request = create(RunRequestSchema, {
    codeVersion: CODE_VERSION,
    request: JSON.stringify({ options, execution }, (_, value) => value ?? null),
    model: await storeModel(store, model),
    data: described,
    workingDirectory: process.cwd(),
  });
  return await store.put(encodeRunRequest(request));
}

/** JSON has null where an option was left open; records of runs list those options, too. */
function withUndefined<T extends object>(parsed: T): T {
  const entries = Object.entries(parsed).map(([key, value]) => [key, value ?? undefined]);
  return Object.fromEntries(entries) as T;
}

/** A request whose model lies in a folder of this machine. */
export interface OpenedRequest {
  readonly request: AnalysisRequest;
  readonly workingDirectory: string;
  /** What the data files hold. */
  describe(paths: readonly string[]): readonly DataArray[];
}

/**
 * @param id of a stored request
 * @param folder gets the model's files in `model`, and the results in `out`
 * @throws the store's errors; KronlensError when it is of another version
 */
export async function openRequest(
  store: ArtifactStore,
  id: string,
  folder: string,
): Promise<OpenedRequest> {
  const stored = decodeRunRequest(await store.get(id));
  const [model] = stored.model?.files ?? [];
  if (stored.codeVersion !== CODE_VERSION || stored.model === undefined || model === undefined)
    throw new KronlensError('bad-run-request', `run request ${id} is not one of ${CODE_VERSION}`);
  const modelFolder = join(folder, 'model');
  await fetchFiles(store, stored.model, modelFolder);
  // Of the same version, so of the same form.
  const parsed = JSON.parse(stored.request) as AnalysisRequest;
  const options = withUndefined(parsed.options);
  const execution = withUndefined(parsed.execution);
  const known = new Map(stored.data.map(({ path, arrays }) => [path, arrays]));
  return {
    request: {
      options,
      execution: {
        ...execution,
        modelFile: join(modelFolder, model.path),
        out: join(folder, 'out'),
        resume: false,
      },
    },
    workingDirectory: stored.workingDirectory,
    describe(paths) {
      return paths.flatMap((path) => {
        const arrays = known.get(path);
        if (arrays !== undefined) return arrays;
        throw new KronlensError('bad-run-request', `run request ${id} does not describe ${path}`);
      });
    },
  };
}
