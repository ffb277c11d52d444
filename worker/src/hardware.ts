// What computes here: recorded with every result, since bytes are equal only on equal processors.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';

/** The version of ONNX Runtime. Its native library is not loaded: only pool threads need that. */
export function runtimeVersion(): string {
  const manifest: unknown = createRequire(import.meta.url)('onnxruntime-node/package.json');
  const version =
    typeof manifest === 'object' && manifest !== null && 'version' in manifest
      ? manifest.version
      : 'unknown';
  return String(version);
}

/** The processor's name as the system gives it. */
export function processorName(): string {
  return cpus()[0]?.model.replace(/\s+/g, ' ').trim() || process.arch;
}

/** Vector extensions that make kernels differ, widest last. */
const EXTENSIONS = ['avx', 'avx2', 'avx512f', 'avx512_vnni', 'amx_tile', 'asimd', 'sve'];

/** The processor's vector extensions, where the system says them (Linux). */
export async function vectorExtensions(): Promise<readonly string[]> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const line = /^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1] ?? '';
  const flags = new Set(line.trim().split(/\s+/));
  return EXTENSIONS.filter((extension) => flags.has(extension));
}

/** @param linalg what does linear algebra, with its version */
export async function describeHardware(linalg: string): Promise<Record<string, string>> {
  return {
    processor: processorName(),
    extensions: (await vectorExtensions()).join(' '),
    architecture: `${process.platform}-${process.arch}`,
    runtime: `onnxruntime ${runtimeVersion()}, cpu`,
    linalg,
    node: process.versions.node,
  };
}
