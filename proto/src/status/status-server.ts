// Answers /healthz and /metrics over HTTP, for supervisors and Prometheus.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { BadInputError } from '../errors/kronlens-error.js';
import type { NatsLink } from '../nats/link.js';
import type { ProcessMetrics } from './process-metrics.js';

export interface HttpAddress {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

export interface StatusServerOptions {
  readonly address: HttpAddress;
  readonly metrics: ProcessMetrics;
  /** What is wrong with the process; undefined: nothing. */
  readonly trouble: () => string | undefined;
}

/** A small server; it answers GET and HEAD alone. */
export class StatusServer {
  /** `http://host:port`. */
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  /** @throws BadInputError when the address cannot be had */
  static async start({ address, metrics, trouble }: StatusServerOptions): Promise<StatusServer> {
    const server = createServer((request, response) => {
      const answer = (status: number, type: string, text: string) => {
        response.writeHead(status, { 'content-type': type });
        response.end(request.method === 'HEAD' ? undefined : text);
      };
      const path = request.url?.split('?')[0];
      if (request.method !== 'GET' && request.method !== 'HEAD') answer(405, 'text/plain', '');
      else if (path === '/healthz') {
        const why = trouble();
        answer(why === undefined ? 200 : 503, 'text/plain', `${why ?? 'ok'}\n`);
      } else if (path === '/metrics')
        metrics.text().then(
          (text) => answer(200, metrics.contentType, text),
          (error: unknown) => answer(500, 'text/plain', `${String(error)}\n`),
        );
      else answer(404, 'text/plain', 'there are /healthz and /metrics\n');
    });
    const { host, port } = address;
    try {
      server.listen(port, host);
      await once(server, 'listening');
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new BadInputError('bad-http', `--http ${host}:${port}: ${why}`, {}, cause);
    }
    const bound = server.address();
    const actual = typeof bound === 'object' && bound !== null ? bound.port : port;
    const shown = host.includes(':') ? `[${host}]` : host;
    return new StatusServer(server, `http://${shown}:${actual}`);
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

/**
 * Answers for a process that is well while it reaches the NATS server.
 * @param address undefined: nowhere
 * @param log is told where
 * @throws BadInputError when the address cannot be had
 */
export async function answerStatus(
  address: HttpAddress | undefined,
  metrics: ProcessMetrics,
  link: NatsLink,
  log: (line: string) => void,
): Promise<StatusServer | undefined> {
  if (address === undefined) return undefined;
  const trouble = () => (link.isUp ? undefined : `the NATS server at ${link.url} is away`);
  const server = await StatusServer.start({ address, metrics, trouble });
  log(`answers ${server.url}/healthz and ${server.url}/metrics`);
  return server;
}
