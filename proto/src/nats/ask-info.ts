// What a NATS server says of itself before anybody is let in: how a refusal without words is explained.
import { connect } from 'node:net';

const MOST_MS = 2000;

export interface ServerInfo {
  /** It wants a certificate of its clients. */
  readonly wantsCertificate: boolean;
}

/** @returns undefined when no NATS server answers */
export async function askInfo(hostname: string, port: number): Promise<ServerInfo | undefined> {
  return await new Promise((resolve) => {
    const socket = connect({ host: hostname, port, timeout: MOST_MS });
    const end = (info?: ServerInfo) => {
      socket.destroy();
      resolve(info);
    };
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (piece: string) => {
      text += piece;
      const line = /^INFO (\{.*\})\s*\r\n/.exec(text)?.[1];
      if (line !== undefined) end(parse(line));
      else if (text.length > 65_536) end();
    });
    for (const event of ['timeout', 'error', 'close']) socket.on(event, () => end());
  });
}

function parse(line: string): ServerInfo | undefined {
  try {
    const info: unknown = JSON.parse(line);
    if (typeof info !== 'object' || info === null) return undefined;
    return { wantsCertificate: 'tls_verify' in info && info.tls_verify === true };
  } catch {
    return undefined;
  }
}
