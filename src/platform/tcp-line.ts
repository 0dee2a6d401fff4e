/**
 * Lines of `kind: 'tcp'`: raw TCP serial servers such as ser2net. The bytes are the line's own, without RFC 2217. Keep
 * alive finds a server that lost its power: 15 s of silence, then ten probes a second apart (libuv's figures).
 */
import { connect, type Socket } from 'node:net';
import { Fault } from '../fault.ts';
import type { Clock } from '../ports.ts';
import type { LineConnection, LineListener, PortSpec } from '../ports-line.ts';

type TcpSpec = Extract<PortSpec, { readonly kind: 'tcp' }>;

const CONNECT_MS = 5000;
const KEEP_ALIVE_MS = 15_000;

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
  return new TcpConnection(where, socket, listener);
}

class TcpConnection implements LineConnection {
  readonly #where: string;
  readonly #socket: Socket;
  readonly #ended: Promise<void>;
  #why = 'closed by the serial server';
  #closing = false;

  constructor(where: string, socket: Socket, listener: LineListener) {
    this.#where = where;
    this.#socket = socket;
    socket.removeAllListeners('error');
    socket.on('error', (error) => {
      this.#why = error.message;
    });
    socket.on('data', (chunk: Buffer) => {
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
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error) reject(new Fault('line.closed', `${this.#where}: ${error.message}`, { cause: error }));
        else resolve();
      });
    });
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
