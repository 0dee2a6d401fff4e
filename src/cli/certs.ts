/**
 * `fieldpost certs DIR`: an authority, a server's and a device's certificate to try mutual TLS with. For development:
 * whoever runs a fleet has an authority of their own. The authority's key is thrown away, so nothing can be added to a
 * set later; make a new one.
 */
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Fault, reasonOf } from '../fault.ts';
import { EXIT } from './exit.ts';
import { makeDirectory } from '../platform/directories.ts';

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const DAYS_MAX = 3650;
const USAGE =
  'usage: fieldpost certs DIR [--device pump-42] [--server localhost,127.0.0.1,::1] [--consumer NAME] [--days N] [--force]';

interface CertsOptions {
  readonly directory: string;
  readonly device: string;
  readonly server: readonly string[];
  /** Common name of a third certificate, for whoever reads the events. */
  readonly consumer: string | undefined;
  readonly days: number;
  readonly force: boolean;
}

export async function certsCommand(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const files = await makeFiles(options);
  writeFiles(options, files);
  process.stderr.write(
    `FOR DEVELOPMENT ONLY: these certificates vouch for nobody, and their authority's key is gone.\n` +
      `Valid for ${options.days} days, device "${options.device}", server ${options.server.join(', ')}.\n`,
  );
  process.stdout.write(
    Object.keys(files)
      .map((name) => `${join(options.directory, name)}\n`)
      .join(''),
  );
  return EXIT.done;
}

function parseOptions(args: readonly string[]): CertsOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      device: { type: 'string', default: 'pump-42' },
      server: { type: 'string', default: 'localhost,127.0.0.1,::1' },
      consumer: { type: 'string' },
      days: { type: 'string', default: '365' },
      force: { type: 'boolean', default: false },
    },
  });
  const [directory] = positionals;
  if (directory === undefined || positionals.length !== 1) throw new Fault('usage', USAGE);
  for (const [option, name] of [
    ['--device', values.device],
    ['--consumer', values.consumer],
  ] as const) {
    if (name === undefined || NAME.test(name)) continue;
    throw new Fault('usage', `${option}: must be 1 to 64 of A-Z a-z 0-9 . _ -, got "${name}"\n${USAGE}`);
  }
  const server = values.server.split(',').map((name) => name.trim());
  const odd = server.find((name) => !/^[A-Za-z0-9.:_*-]{1,253}$/.test(name));
  if (odd !== undefined) throw new Fault('usage', `--server: must be host names and addresses, got "${odd}"\n${USAGE}`);
  const days = Number(values.days);
  if (!Number.isInteger(days) || days < 1 || days > DAYS_MAX) {
    throw new Fault('usage', `--days: must be a whole number, 1 to ${DAYS_MAX}, got "${values.days}"\n${USAGE}`);
  }
  return { directory, device: values.device, server, consumer: values.consumer, days, force: values.force };
}

/** Contents by file name. */
async function makeFiles(options: CertsOptions): Promise<Readonly<Record<string, string>>> {
  // Loaded only here: making certificates takes packages that the service must not carry.
  const { makeDevelopmentCertificates } = await import('../workbench/index.ts');
  const { device, server, days, consumer } = options;
  const others = consumer === undefined ? [] : [consumer];
  const made = await makeDevelopmentCertificates({ device, server, days, others });
  const [third] = made.others;
  return {
    'ca.pem': made.ca,
    'server.pem': made.server.cert,
    'server.key': made.server.key,
    'client.pem': made.client.cert,
    'client.key': made.client.key,
    ...(third === undefined ? {} : { 'consumer.pem': third.cert, 'consumer.key': third.key }),
  };
}

function writeFiles(options: CertsOptions, files: Readonly<Record<string, string>>): void {
  const { directory, force } = options;
  const there = Object.keys(files).filter((name) => existsSync(join(directory, name)));
  if (there.length > 0 && !force) {
    const names = there.join(', ');
    throw new Fault('usage', `${directory}: must not hold ${names} yet; nothing was written (--force replaces them)`);
  }
  try {
    makeDirectory(directory, 0o755);
    for (const [name, content] of Object.entries(files)) {
      const path = join(directory, name);
      const mode = name.endsWith('.key') ? 0o600 : 0o644;
      // The mode of writeFile counts for new files only: an old one is closed before the key goes in.
      if (existsSync(path)) chmodSync(path, mode);
      writeFileSync(path, content, { mode });
    }
  } catch (error) {
    throw new Error(`certificates could not be written to ${directory}: ${reasonOf(error)}`, { cause: error });
  }
}
