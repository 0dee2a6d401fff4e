/**
 * A real Mosquitto on a free loopback port, configured in its own directory and started, stopped, killed and started
 * again as a test or the demo asks. Its data directory and port stay the same over a restart.
 */
import { accessSync, constants } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { Child, type Ended } from './child.ts';
import { until } from './wait.ts';

const START_DEADLINE_MS = 10_000;
const STOP_PATIENCE_MS = 5000;
const START_TRIES = 3;

/** The bounds that config/mosquitto/fieldpost.conf sets. */
const SHIPPED: readonly string[] = [
  'persistent_client_expiration 14d',
  'max_inflight_messages 40',
  'max_queued_messages 100000',
  'max_packet_size 131072',
  'max_keepalive 3600',
];

/** Mutual TLS: who a client is, is its certificate's common name. */
export interface MosquittoTls {
  /** Paths of PEM files. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** The access rules, as the text of an acl_file. */
  readonly acl: string;
}

export interface MosquittoOptions {
  /** Takes configuration and data. Made when it is not there. */
  readonly directory: string;
  /** False: a restart forgets sessions. Default: saved as config/mosquitto/ says, at each change, within a second. */
  readonly persistence?: false | { readonly autosaveInterval: number; readonly autosaveOnChanges: boolean };
  readonly tls?: MosquittoTls;
  /** Further lines of mosquitto.conf. */
  readonly lines?: readonly string[];
  /** Further environment, such as OPENSSL_CONF. */
  readonly env?: Readonly<Record<string, string>>;
}

export class MosquittoMissing extends Error {
  constructor() {
    const given = process.env['FIELDPOST_MOSQUITTO'];
    const looked = given === undefined ? 'on PATH, in /usr/sbin or in .local/debian/fieldpost-bin' : `at ${given}`;
    super(`no mosquitto found ${looked}`);
    this.name = 'MosquittoMissing';
  }
}

export class Mosquitto {
  readonly #options: MosquittoOptions;
  readonly #program: string;
  #port = 0;
  #child: Child | undefined;

  constructor(options: MosquittoOptions) {
    const program = findMosquitto();
    if (program === undefined) throw new MosquittoMissing();
    this.#options = options;
    this.#program = program;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.ended === undefined;
  }

  /** The newest lines of the broker's log, of this start only. */
  get log(): readonly string[] {
    return this.#child?.lines ?? [];
  }

  /** Resolves once it accepts connections. */
  async start(): Promise<void> {
    const { directory, tls } = this.#options;
    await mkdir(join(directory, 'data'), { recursive: true });
    if (tls !== undefined) await writeFile(join(directory, 'acl'), tls.acl, { mode: 0o600 });
    for (let tries = 1; ; tries += 1) {
      // Somebody may take the free port between our look and the broker's bind: then another one, at the first start only.
      const port = this.#port === 0 ? await freePort() : this.#port;
      try {
        await this.#startOn(port);
        this.#port = port;
        return;
      } catch (error) {
        await this.kill();
        if (tries >= START_TRIES) throw error;
      }
    }
  }

  /** SIGTERM: the broker writes its state and ends. */
  async stop(): Promise<Ended | undefined> {
    return this.#child?.stop(STOP_PATIENCE_MS);
  }

  /** SIGKILL: what was not saved is gone. */
  async kill(): Promise<Ended | undefined> {
    return this.#child?.kill9();
  }

  async restart(how: 'term' | 'kill'): Promise<void> {
    await (how === 'term' ? this.stop() : this.kill());
    await this.start();
  }

  async #startOn(port: number): Promise<void> {
    const file = join(this.#options.directory, 'mosquitto.conf');
    await writeFile(file, configuration(this.#options, port));
    const { env = {} } = this.#options;
    const child = new Child({ command: this.#program, args: ['-c', file], env });
    this.#child = child;
    await until(
      () => {
        if (child.ended !== undefined) throw new Error(`mosquitto did not start: ${child.lastWords()}`);
        return accepts(port);
      },
      () => `mosquitto on port ${port}; last: ${child.lastWords()}`,
      START_DEADLINE_MS,
    );
  }
}

/** A mosquitto that can be run; undefined when there is none. FIELDPOST_MOSQUITTO names one and ends the search. */
export function findMosquitto(): string | undefined {
  const given = process.env['FIELDPOST_MOSQUITTO'];
  if (given !== undefined) return isProgram(given) ? given : undefined;
  const unpacked = [process.cwd(), dirname(dirname(process.argv[1] ?? ''))].map((at) =>
    join(at, '.local/debian/fieldpost-bin'),
  );
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', ...unpacked];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'mosquitto'))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function configuration(options: MosquittoOptions, port: number): string {
  const lines = [
    `listener ${port} 127.0.0.1`,
    'log_dest stderr',
    'log_type error',
    'log_type warning',
    'log_type notice',
  ];
  lines.push(...SHIPPED);
  // Started by root, mosquitto would change to its own user, who may not write in our directory.
  if (process.getuid?.() === 0) lines.push('user root');
  const { persistence = { autosaveInterval: 1, autosaveOnChanges: true }, tls } = options;
  if (persistence === false) {
    lines.push('persistence false');
  } else {
    lines.push('persistence true', `persistence_location ${join(options.directory, 'data')}/`);
    lines.push(`autosave_interval ${persistence.autosaveInterval}`);
    lines.push(`autosave_on_changes ${persistence.autosaveOnChanges}`);
  }
  if (tls === undefined) {
    lines.push('allow_anonymous true');
  } else {
    lines.push(
      'tls_version tlsv1.2',
      'allow_anonymous false',
      'require_certificate true',
      'use_identity_as_username true',
    );
    lines.push(`cafile ${tls.ca}`, `certfile ${tls.cert}`, `keyfile ${tls.key}`);
    lines.push(`acl_file ${join(options.directory, 'acl')}`);
  }
  return [...lines, ...(options.lines ?? []), ''].join('\n');
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', done);
  });
  const address = server.address();
  await new Promise<void>((done) => server.close(() => done()));
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port');
  return address.port;
}

async function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}
