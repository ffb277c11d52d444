// Starts a real nats-server for a test, on a free port and a disk of its own; it can be killed and started again.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Says why tests that need a server are skipped; false where there is one. */
export const noNatsServer: string | false =
  spawnSync('nats-server', ['--version']).status === 0
    ? false
    : 'nats-server is not installed; on Debian: sudo apt-get install nats-server';

/** A port that nothing listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  server.close();
  await once(server, 'close');
  return port;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'data');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

export class TestNatsServer {
  readonly folder: string;
  readonly port: number;
  readonly #config: string | undefined;
  #child: ChildProcess | undefined;

  private constructor(folder: string, port: number, config: string | undefined) {
    this.folder = folder;
    this.port = port;
    this.#config = config;
  }

  /** @param config a configuration file to start with */
  static async start(config?: string): Promise<TestNatsServer> {
    const folder = await mkdtemp(join(tmpdir(), 'kronlens-nats-'));
    const server = new TestNatsServer(folder, await freePort(), config);
    await server.restart();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Its process, while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts it on the disk that it left. */
  async restart(): Promise<void> {
    const config = this.#config === undefined ? [] : ['-c', this.#config];
    const args = ['-js', '-sd', this.folder, '-a', '127.0.0.1', '-p', String(this.port), ...config];
    const child = spawn('nats-server', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-4000);
    });
    this.#child = child;
    while (!(await answers(this.port))) {
      if (child.exitCode !== null) throw new Error(`nats-server did not start:\n${log}`);
      await sleep(50);
    }
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Ends it and removes its disk. */
  async remove(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}
