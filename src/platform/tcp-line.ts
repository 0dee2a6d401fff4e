/**
 * Lines of `kind: 'tcp'`: raw TCP serial servers such as ser2net. The bytes are the line's own, without RFC 2217. Keep
 * alive finds a server that lost its power: 15 s of silence, then ten probes a second apart (libuv's figures). But it does
 * not run while bytes of ours are on their way, and on a line that is polled some always are, for a quarter of an hour: so a
 * line that says nothing to request after request is given up, and opened again.
 */
import { connect, type Socket } from 'node:net';
import { Fault } from '../fault.ts';
import type { Clock } from '../ports.ts';
import type { LineConnection, LineListener, PortSpec } from '../ports-line.ts';

type TcpSpec = Extract<PortSpec, { readonly kind: 'tcp' }>;

const CONNECT_MS = 5000;
const KEEP_ALIVE_MS = 15_000;
/** So many writes, over so long at the least, and no byte. A meter that is dead has its line opened anew as often. */
const UNHEARD_WRITES = 3;
const UNHEARD_MS = 60_000;

export async function openTcpLine(spec: TcpSpec, listener: LineListener, clock: Clock): Promise<LineConnection> {
  const where = `${spec.host}:${spec.port}`;
  const socket = connect({
    host: spec.host,
    port: spec.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  });
  const late = clock.after(CONNECT_MS, () => socket.destroy(new Error(`no connection within ${CONNECT_MS} ms`)));
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (error) => reject(new Fault('line.open', `${where}: ${error.message}`, { cause: error })));
    });
  } finally {
    late.cancel();
  }
  return new TcpConnection(where, socket, listener, clock);
}

class TcpConnection implements LineConnection {
  readonly #where: string;
  readonly #socket: Socket;
  readonly #ended: Promise<void>;
  #why = 'closed by the serial server';
  #closing = false;
  readonly #clock: Clock;
  /** Since the last byte that came. */
  #unheard = { writes: 0, sinceMs: 0 };

  constructor(where: string, socket: Socket, listener: LineListener, clock: Clock) {
    this.#where = where;
    this.#socket = socket;
    this.#clock = clock;
    socket.removeAllListeners('error');
    socket.on('error', (error) => {
      this.#why = error.message;
    });
    socket.on('data', (chunk: Buffer) => {
      this.#unheard.writes = 0;
      if (!this.#closing) listener.bytes(chunk);
    });
    this.#ended = new Promise((resolve) => {
      socket.once('close', () => {
        resolve();
        listener.closed(this.#closing ? 'closed by the agent' : this.#why);
      });
    });
  }

  write(bytes: Buffer): Promise<void> {
    if (this.#closing || !this.#socket.writable) {
      const gone = `${this.#where}: this connection is gone; nothing was written`;
      return Promise.reject(new Fault('line.closed', gone));
    }
    if (this.#isDeaf()) {
      const why = `${this.#unheard.writes} writes in ${UNHEARD_MS / 1000} s, and no byte came`;
      this.#socket.destroy(new Error(why));
      return Promise.reject(new Fault('line.closed', `${this.#where}: ${why}`));
    }
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error) reject(new Fault('line.closed', `${this.#where}: ${error.message}`, { cause: error }));
        else resolve();
      });
    });
  }

  #isDeaf(): boolean {
    const nowMs = this.#clock.monotonicMs();
    const { writes, sinceMs } = this.#unheard;
    if (writes >= UNHEARD_WRITES && nowMs - sinceMs >= UNHEARD_MS) return true;
    this.#unheard = { writes: writes + 1, sinceMs: writes === 0 ? nowMs : sinceMs };
    return false;
  }

  setBaudRate(): Promise<void> {
    const fault = new Fault('line.open', `${this.#where}: the serial server sets the baud rate, not this end`);
    return Promise.reject(fault);
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#socket.destroy();
    await this.#ended;
  }
}
