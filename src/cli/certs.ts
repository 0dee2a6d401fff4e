/**
 * `fieldpost certs DIR`: an authority, a server's and a device's certificate to try mutual TLS with. For development:
 * whoever runs a fleet has an authority of their own. The authority's key is thrown away unless it is to be kept, for trying
 * a renewal: whoever has it can make a certificate of any name.
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
  'usage: fieldpost certs DIR [--device pump-42] [--server localhost,127.0.0.1,::1] [--consumer NAME] [--operator NAME] [--keep-authority] [--days N] [--force]';
/** Besides server and device: whoever reads the events, and whoever sends commands. Each a file name and an option. */
const OTHERS = ['consumer', 'operator'] as const;

interface CertsOptions {
  readonly directory: string;
  readonly device: string;
  readonly server: readonly string[];
  /** Common names of further certificates. */
  readonly others: Readonly<Partial<Record<(typeof OTHERS)[number], string>>>;
  readonly keepAuthority: boolean;
  readonly days: number;
  readonly force: boolean;
}

export async function certsCommand(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const files = await makeFiles(options);
  writeFiles(options, files);
  const where = options.keepAuthority ? `kept in ${join(options.directory, 'ca.key')}` : 'gone';
  process.stderr.write(
    `FOR DEVELOPMENT ONLY: these certificates vouch for nobody, and their authority's key is ${where}.\n` +
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
      operator: { type: 'string' },
      'keep-authority': { type: 'boolean', default: false },
      days: { type: 'string', default: '365' },
      force: { type: 'boolean', default: false },
    },
  });
  const [directory] = positionals;
  if (directory === undefined || positionals.length !== 1) throw new Fault('usage', USAGE);
  for (const [option, name] of [
    ['--device', values.device],
    ['--consumer', values.consumer],
    ['--operator', values.operator],
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
  const others = Object.fromEntries(
    OTHERS.flatMap((role) => (values[role] === undefined ? [] : [[role, values[role]]])),
  );
  const { device, force, 'keep-authority': keepAuthority } = values;
  return { directory, device, server, others, keepAuthority, days, force };
}

/** Contents by file name. */
async function makeFiles(options: CertsOptions): Promise<Readonly<Record<string, string>>> {
  // Loaded only here: making certificates takes packages that the service must not carry.
  const { makeDevelopmentCertificates } = await import('../workbench/index.ts');
  const { device, server, days, others, keepAuthority } = options;
  const made = await makeDevelopmentCertificates({ device, server, days, others: Object.values(others) });
  const more: Record<string, string> = {};
  for (const [at, role] of Object.keys(others).entries()) {
    more[`${role}.pem`] = made.others[at]?.cert ?? '';
    more[`${role}.key`] = made.others[at]?.key ?? '';
  }
  return {
    'ca.pem': made.ca,
    'server.pem': made.server.cert,
    'server.key': made.server.key,
    'client.pem': made.client.cert,
    'client.key': made.client.key,
    ...more,
    ...(keepAuthority ? { 'ca.key': await made.authority.key() } : {}),
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
