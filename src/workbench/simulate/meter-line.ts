/**
 * The line that a virtual meter is on: a pseudo-terminal, under a second name where one is wanted, or a raw TCP serial
 * server, where a newer connection takes the line over. What the line does not take is lost, as on a wire.
 */
import { readlinkSync, symlinkSync, unlinkSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { Fault, reasonOf } from '../../fault.ts';
import { usersOf } from '../../platform/port-users.ts';
import { openPty } from '../../platform/pty.ts';

export interface MeterLine {
  /** Where it is found: a tty's path, or `host:port`. */
  readonly where: string;
  /** What is written to the meter. One callback. */
  onBytes(run: (bytes: Buffer) => void): void;
  /** False: the line took nothing. */
  write(bytes: Buffer): boolean;
  /** Somebody is on the line, as far as can be seen: not a process of root's from another user's. */
  hasReader(): Promise<boolean>;
  close(): Promise<void>;
}

export interface TerminalLine extends MeterLine {
  /** Waits while the terminal takes nothing. Rejects with Fault `line.closed` when it has ended. */
  send(bytes: Buffer): Promise<void>;
}

/** Frames handed to the terminal and not taken yet. */
const UNWRITTEN_MAX = 64;
/** Unsent bytes from which a connection takes no more. */
const UNSENT_MAX = 64 * 1024;

/** Rejects with Fault `line.open` where there is no pseudo-terminal, or the link can not be made. */
export async function openTerminalLine(link: string | undefined): Promise<TerminalLine> {
  const pty = await openPty();
  let unwritten = 0;
  // The terminal's own end of itself.
  const own = new Set((await usersOf(pty.path)).map(({ pid }) => pid));
  try {
    if (link !== undefined) makeLink(pty.path, link);
  } catch (error) {
    await pty.close();
    throw error;
  }
  return {
    where: link ?? pty.path,
    onBytes: (run) => pty.onBytes(run),
    send: (bytes) => pty.write(bytes),
    hasReader: async () => (await usersOf(pty.path)).some(({ pid }) => !own.has(pid)),
    write: (bytes) => {
      if (unwritten >= UNWRITTEN_MAX) return false;
      unwritten += 1;
      const taken = (): void => {
        unwritten -= 1;
      };
      // A terminal that has ended takes nothing; its owner is told by `close` alone.
      pty.write(bytes).then(taken, taken);
      return true;
    },
    close: () => {
      if (link !== undefined) removeLink(pty.path, link);
      return pty.close();
    },
  };
}

/** Replaces a link that a killed run has left behind, never a file or a link to something else that is there. */
function makeLink(path: string, link: string): void {
  try {
    if (targetOf(link)?.startsWith('/dev/pts/') === true) unlinkSync(link);
    symlinkSync(path, link);
  } catch (error) {
    throw new Fault('line.open', `${link}: the link to ${path} can not be made: ${reasonOf(error)}`);
  }
}

/** Only our own: another run may have taken the name over. */
function removeLink(path: string, link: string): void {
  if (targetOf(link) === path) unlinkSync(link);
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

/** Rejects with Fault `line.open`. Port 0: any that is free. */
export async function openServerLine(host: string, port: number): Promise<MeterLine> {
  let current: Socket | undefined;
  let take: (bytes: Buffer) => void = () => undefined;
  const server = createServer({ noDelay: true }, (socket) => {
    current?.destroy();
    current = socket;
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      if (socket === current) take(bytes);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new Fault('line.open', `${host}:${port}: ${error.message}`)));
    server.listen(port, host, resolve);
  });
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return {
    where: host.includes(':') ? `[${host}]:${bound}` : `${host}:${bound}`,
    onBytes: (run) => {
      take = run;
    },
    write: (bytes) => {
      if (current === undefined || current.destroyed || current.writableLength > UNSENT_MAX) return false;
      current.write(bytes);
      return true;
    },
    hasReader: () => Promise.resolve(current?.destroyed === false),
    close: () => {
      current?.destroy();
      return new Promise((done) => server.close(() => done()));
    },
  };
}
