/**
 * The stream that MQTT.js sees: the socket or WebSocket, less what our own layer takes out of it. What MQTT.js writes goes
 * there at once and each packet in one piece, except CONNECT, which waits for the handshake.
 */
import { Duplex } from 'node:stream';
import type { BadPacket, PacketGate } from './packet-gate.ts';

/** Time for MQTT.js to read what came before the socket closed, milliseconds. */
const LAST_WORDS_MS = 1000;

export interface TapOptions {
  /** Returns what of a chunk is MQTT.js's. */
  readonly inbound: (chunk: Buffer) => readonly Buffer[];
  /** `bad`: this packet was not let through, and nothing behind it; the link has to end. */
  readonly guard?: { readonly gate: PacketGate; readonly bad: (packet: BadPacket) => void };
  /** There is no handshake to wait for, or the stream waits for it by itself. */
  readonly plain: boolean;
}

export class Tap extends Duplex {
  readonly #socket: Duplex;
  #ended = false;
  /**
   * CONNECT, while the handshake lasts; undefined afterwards. What is written to a TLS socket before is failed by Node
   * with EPROTO when the handshake is, which hides the code of the broker's alert (seen with TLS 1.2).
   */
  #early: Buffer[] | undefined;
  /** Packets of MQTT.js that the socket was given, and those of them that have left it. */
  #given = 0;
  #left = 0;
  readonly #waiting: { readonly through: number; readonly run: () => void }[] = [];

  constructor(socket: Duplex, { inbound, guard, plain }: TapOptions) {
    super();
    this.#socket = socket;
    this.#early = plain ? undefined : [];
    socket.once('secureConnect', () => {
      const early = this.#early ?? [];
      this.#early = undefined;
      for (const bytes of early) socket.write(bytes);
    });
    socket.on('data', (chunk: Buffer) => {
      const found = guard?.gate.take(chunk);
      const sound = found === undefined ? chunk : chunk.subarray(0, found.at);
      for (const part of inbound(sound)) if (!this.push(part)) socket.pause();
      if (found !== undefined) guard?.bad(found);
    });
    socket.on('end', () => this.#endReading());
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.#finish());
  }

  /** Calls back once what MQTT.js has written so far has left the socket; at once when it has. Also when the socket fails. */
  whenLeft(run: () => void): void {
    if (this.#left === this.#given) run();
    else this.#waiting.push({ through: this.#given, run });
  }

  override _read(): void {
    this.#socket.resume();
  }

  #endReading(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.push(null);
  }

  /** What came last is still on its way to MQTT.js, most often a DISCONNECT that says why: it is read before the end. */
  #finish(): void {
    this.#endReading();
    if (this.readableEnded || this.destroyed) return void this.destroy();
    const late = setTimeout(() => this.destroy(), LAST_WORDS_MS);
    this.once('end', () => {
      clearTimeout(late);
      this.destroy();
    });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // Done at once: what waits is then all in the socket, where `full` counts it and nothing can slip between.
    this.#put(chunk);
    done();
  }

  /** One corked run of MQTT.js's is one packet: it goes to the socket without anything of ours in between. */
  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#put(Buffer.concat(chunks.map((part) => part.chunk)));
    done();
  }

  #put(bytes: Buffer): void {
    if (this.#early !== undefined) return void this.#early.push(bytes);
    this.#given += 1;
    this.#socket.write(bytes, () => {
      this.#left += 1;
      while ((this.#waiting[0]?.through ?? Infinity) <= this.#left) this.#waiting.shift()?.run();
    });
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
