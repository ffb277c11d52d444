// A way to the NATS server that a test can cut for a while: a network namespace where that is permitted, else a relay that holds everything back.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface CuttableLink {
  /** `a network namespace` or `a relay`. */
  readonly kind: string;
  /** The server as it is reached through the link. */
  readonly host: string;
  readonly port: number;
  /** What a program is started with to be behind the link. */
  readonly prefix: readonly string[];
  /** Nothing passes any more, in either direction; connections stay as they are. */
  cut(): void;
  mend(): void;
  remove(): Promise<void>;
}

/** Takes connections and passes bytes on to a port of this machine. */
class Relay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  constructor(target: number) {
    this.#server = createServer((near) => {
      const far = connect(target, '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('data', (bytes) => to.write(bytes));
        from.on('error', () => to.destroy());
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        if (this.#isCut) from.pause();
      }
    });
  }

  async listen(host: string): Promise<number> {
    this.#server.listen(0, host);
    await once(this.#server, 'listening');
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  hold(isCut: boolean): void {
    this.#isCut = isCut;
    for (const socket of this.#sockets) isCut ? socket.pause() : socket.resume();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

function ip(...args: readonly string[]): boolean {
  return spawnSync('ip', args).status === 0;
}

/** @param target port of the server on this machine */
export async function newCuttableLink(target: number): Promise<CuttableLink> {
  const relay = new Relay(target);
  const number = process.pid % 16_384;
  const name = `kronlens${number}`;
  const [outer, inner] = [`kl${number}a`, `kl${number}b`];
  // An address block of four for each process, in the range that is meant for benchmarks.
  const block = (last: number) => `198.18.${number >> 6}.${((number & 63) << 2) + last}`;
  const isolated =
    ip('netns', 'add', name) &&
    ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', inner, 'netns', name) &&
    ip('addr', 'add', `${block(1)}/30`, 'dev', outer) &&
    ip('link', 'set', outer, 'up') &&
    ip('-n', name, 'addr', 'add', `${block(2)}/30`, 'dev', inner) &&
    ip('-n', name, 'link', 'set', inner, 'up');
  const removeNamespace = () => {
    ip('link', 'del', outer);
    ip('netns', 'del', name);
  };
  if (isolated) {
    const host = block(1);
    return {
      kind: 'a network namespace',
      host,
      port: await relay.listen(host),
      prefix: ['ip', 'netns', 'exec', name],
      cut: () => void ip('link', 'set', outer, 'down'),
      mend: () => void ip('link', 'set', outer, 'up'),
      async remove() {
        await relay.close();
        removeNamespace();
      },
    };
  }
  removeNamespace();
  const host = '127.0.0.1';
  return {
    kind: 'a relay',
    host,
    port: await relay.listen(host),
    prefix: [],
    cut: () => relay.hold(true),
    mend: () => relay.hold(false),
    remove: () => relay.close(),
  };
}
