/** Ptys, TCP serial servers, logs and waits for the tests of lines and sensors. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, type TestContext } from 'node:test';
import { openPty, type Pty } from '../src/platform/pty.ts';
import type { Log, LogFields } from '../src/ports.ts';
import type { LineListener, PortSpec } from '../src/ports-line.ts';

const POLL_MS = 5;

/** The first truthy answer, or an error at the deadline that says what was waited for. */
export async function until<Seen>(
  look: () => Seen,
  what: string | (() => string),
  deadlineMs = 10_000,
): Promise<NonNullable<Seen>> {
  const startedMs = performance.now();
  for (;;) {
    const seen = look();
    if (seen) return seen;
    if (performance.now() - startedMs > deadlineMs) {
      throw new Error(`waited ${deadlineMs} ms in vain for ${typeof what === 'string' ? what : what()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export interface LogLine {
  readonly level: string;
  readonly sentence: string;
  readonly fields: LogFields;
}

export function keptLog(lines: LogLine[] = []): Log {
  const put =
    (level: string) =>
    (sentence: string, fields: LogFields = {}): void => {
      lines.push({ level, sentence, fields });
    };
  return { error: put('error'), warn: put('warn'), info: put('info'), debug: put('debug') };
}

export function ttySpec(path: string): PortSpec {
  return { kind: 'tty', path, baudRate: 115_200, dataBits: 8, parity: 'none', stopBits: 1 };
}

/** Root can hang a tty up and keep its path; others can only take the whole terminal away. */
export const canHangUp = process.getuid?.() === 0;

const ptys: Pty[] = [];
// At the end of the file and not of the test: what the test left trying the path would open the next terminal of that
// number, which may be one of a test of another file.
after(async () => {
  await Promise.all(ptys.map((pty) => pty.close()));
});

export async function ptyFor(_t: TestContext): Promise<Pty> {
  const pty = await openPty();
  ptys.push(pty);
  return pty;
}

/** What a line said, kept for looking at. */
export class Heard implements LineListener {
  readonly chunks: Buffer[] = [];
  readonly closedWith: string[] = [];
  length = 0;
  /** Chunks after `closed`: there must be none. */
  late = 0;
  readonly #keep: boolean;
  readonly #onChunk: () => void;

  constructor(options: { readonly keep?: boolean; readonly onChunk?: () => void } = {}) {
    this.#keep = options.keep ?? true;
    this.#onChunk = options.onChunk ?? ((): void => undefined);
  }

  bytes(chunk: Buffer): void {
    if (this.closedWith.length > 0) this.late += 1;
    this.length += chunk.length;
    if (this.#keep) this.chunks.push(chunk);
    this.#onChunk();
  }

  closed(reason: string): void {
    this.closedWith.push(reason);
  }

  get all(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

/** The far end of a line: what a meter does. */
export interface FarEnd {
  readonly spec: PortSpec;
  send(bytes: Buffer | string): Promise<void>;
  received(): Buffer;
  unplug(): Promise<void>;
}

export async function ptyFarEnd(t: TestContext): Promise<FarEnd> {
  const pty = await ptyFor(t);
  const got: Buffer[] = [];
  pty.onBytes((bytes) => got.push(bytes));
  return {
    spec: ttySpec(pty.path),
    send: (bytes) => pty.write(bytes),
    received: () => Buffer.concat(got),
    unplug: () => (canHangUp ? pty.hangUp() : pty.close()),
  };
}

export async function tcpFarEnd(t: TestContext): Promise<FarEnd> {
  const got: Buffer[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('data', (bytes) => got.push(bytes));
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const newest = (): Promise<Socket> => until(() => sockets.at(-1), 'a connection to the serial server');
  return {
    spec: { kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    send: async (bytes) => {
      const socket = await newest();
      await new Promise<void>((resolve, reject) => {
        socket.write(bytes, (error) => (error ? reject(error) : resolve()));
      });
    },
    received: () => Buffer.concat(got),
    unplug: async () => void (await newest()).resetAndDestroy(),
  };
}
