/**
 * The link between agent and broker as something that can fail: a TCP proxy with a delay each way, that can be cut (every
 * connection destroyed), refuse new connections, or hold everything (a black hole: connections stay open, nothing gets
 * through). On a plain link it also sees whole MQTT packets, counts them, and cuts just before a packet that a test names.
 */
import { createServer, connect, type Server, type Socket } from 'node:net';
import { setTimeout as after } from 'node:timers';
import { PacketSplitter, type SplitPacket } from './packet-splitter.ts';

/** Bytes on their way in one direction; beyond it the sender is not read. */
const IN_TRANSIT_MAX = 1024 * 1024;

/** `up`: from the agent to the broker. */
export type Direction = 'up' | 'down';

export interface LinkProxyOptions {
  /** The broker's port on loopback. */
  readonly target: number;
  readonly oneWayDelayMs?: number;
  /** Only on a plain link: sees each packet before it leaves; `cut` destroys all connections instead. */
  readonly watch?: (direction: Direction, packet: SplitPacket) => 'pass' | 'cut';
}

export interface LinkCounters {
  readonly connections: number;
  readonly cuts: number;
  readonly bytes: Readonly<Record<Direction, number>>;
  /** Zero without `watch`. */
  readonly packets: Readonly<Record<Direction, number>>;
}

type Way = 'open' | 'refusing' | 'holding';

export class LinkProxy {
  readonly #options: LinkProxyOptions;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  readonly #bytes = { up: 0, down: 0 };
  readonly #packets = { up: 0, down: 0 };
  #way: Way = 'open';
  #connections = 0;
  #cuts = 0;

  constructor(options: LinkProxyOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (near) => this.#join(near));
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the link is not open');
    return address.port;
  }

  get counters(): LinkCounters {
    return {
      connections: this.#connections,
      cuts: this.#cuts,
      bytes: { ...this.#bytes },
      packets: { ...this.#packets },
    };
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#pairs.size;
  }

  async start(): Promise<void> {
    await new Promise<void>((done, fail) => {
      this.#server.once('error', fail);
      this.#server.listen(0, '127.0.0.1', done);
    });
  }

  /** Destroys every connection, and what is in transit with it. New ones are taken at once. Returns how many it hit. */
  cut(): number {
    const hit = this.#pairs.size;
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    this.#cuts += 1;
    return hit;
  }

  /** As `cut`, but the near side is told by a reset, as by a router that forgot the way: not as by a broker that closed. */
  reset(): number {
    for (const [near] of this.#pairs) near.resetAndDestroy();
    return this.cut();
  }

  /** From now on a new connection is destroyed as soon as it is made. Open ones stay. */
  refuse(): void {
    this.#way = 'refusing';
  }

  /** From now on what comes in, in either direction, disappears; no connection is closed. */
  hold(): void {
    this.#way = 'holding';
  }

  /** Ends `refuse` and `hold`. A held connection has lost bytes, so it is cut. */
  accept(): void {
    const held = this.#way === 'holding';
    this.#way = 'open';
    if (held) this.cut();
  }

  async stop(): Promise<void> {
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    if (!this.#server.listening) return;
    await new Promise<void>((done) => this.#server.close(() => done()));
  }

  #join(near: Socket): void {
    near.on('error', () => undefined);
    if (this.#way === 'refusing') {
      near.destroy();
      return;
    }
    this.#connections += 1;
    const far = connect({ port: this.#options.target, host: '127.0.0.1', noDelay: true });
    far.on('error', () => undefined);
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    const ended = (): void => {
      this.#pairs.delete(pair);
      // Last words (a TLS alert, a DISCONNECT) are in transit still: the end travels behind them.
      after(() => {
        near.destroySoon();
        far.destroySoon();
      }, this.#options.oneWayDelayMs ?? 0);
    };
    near.once('close', ended);
    far.once('close', ended);
    this.#carry('up', near, far);
    this.#carry('down', far, near);
  }

  #carry(direction: Direction, from: Socket, to: Socket): void {
    const { oneWayDelayMs = 0, watch } = this.#options;
    const splitter = watch === undefined ? undefined : new PacketSplitter();
    let transit = 0;
    const send = (bytes: Buffer): void => {
      transit += bytes.length;
      if (transit > IN_TRANSIT_MAX) from.pause();
      // Timers of one length run in the order they were set, so bytes keep their order.
      after(() => {
        transit -= bytes.length;
        if (from.isPaused() && transit <= IN_TRANSIT_MAX) from.resume();
        if (!to.destroyed) to.write(bytes);
      }, oneWayDelayMs);
    };
    from.on('data', (chunk: Buffer) => {
      if (this.#way === 'holding') return;
      this.#bytes[direction] += chunk.length;
      if (splitter === undefined || watch === undefined) return send(chunk);
      for (const packet of splitter.take(chunk)) {
        if (watch(direction, packet) === 'cut') return void this.cut();
        this.#packets[direction] += 1;
        send(packet.bytes);
      }
    });
  }
}
