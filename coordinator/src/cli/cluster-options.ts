// The options of commands that talk to a cluster: server, credentials, where artifacts are.
import type { LinkOptions } from '@kronlens/proto/nats';
import { type Command, Option } from 'commander';

/** The options as commander parses them. */
export interface CredentialsParsed {
  readonly natsCredentials?: string;
  readonly natsCa?: string;
  readonly natsCertificate?: string;
  readonly natsKey?: string;
}

export interface ClusterParsed extends CredentialsParsed {
  readonly store: string;
}

/** Text for the help of commands that have these options. */
export const CLUSTER_HELP = `
The environment may hold what is secret: KRONLENS_NATS_USER and KRONLENS_NATS_PASSWORD, or
KRONLENS_NATS_CREDENTIALS, KRONLENS_NATS_CA, KRONLENS_NATS_CERTIFICATE and KRONLENS_NATS_KEY (files).`;

/** The option `--nats` of commands that need a server. */
export function natsOption(): Option {
  return new Option('--nats <url>', 'the NATS server, e.g. nats://head:4222')
    .env('KRONLENS_NATS')
    .makeOptionMandatory();
}

/** Adds the options of credentials. */
export function addCredentialOptions(command: Command): Command {
  return command
    .option('--nats-credentials <file>', 'credentials (.creds), or the seed of an nkey')
    .option('--nats-ca <file>', "certificate authorities of the server's certificate (PEM)")
    .option('--nats-certificate <file>', 'certificate of this client (PEM)')
    .option('--nats-key <file>', 'key of that certificate (PEM)');
}

/** Adds the options beside `--nats`. */
export function addClusterOptions(command: Command): Command {
  return addCredentialOptions(command).option(
    '--store <where>',
    'where a cluster keeps artifacts: nats, or file:///folder that all machines share',
    'nats',
  );
}

/** How to reach the server. @param nats its address */
export function linkOptions(
  nats: string,
  parsed: CredentialsParsed,
): Omit<LinkOptions, 'name' | 'role'> {
  return {
    url: nats,
    credentials: parsed.natsCredentials,
    ca: parsed.natsCa,
    certificate: parsed.natsCertificate,
    key: parsed.natsKey,
  };
}
