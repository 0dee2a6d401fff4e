/**
 * Holds back what MQTT.js writes until what came in is on stable storage: its PUBACKs, which would tell the broker to
 * forget. So a batch of messages is acknowledged after one sync, and nothing is acknowledged before.
 */
import { Duplex } from 'node:stream';

export class AckGate extends Duplex {
  readonly #inner: Duplex;
  #held: Buffer[] | undefined;
  #deaf = false;

  constructor(inner: Duplex) {
    super();
    this.#inner = inner;
    inner.on('data', (chunk: Buffer) => {
      if (!this.#deaf && !this.push(chunk)) inner.pause();
    });
    inner.on('end', () => this.push(null));
    inner.on('error', (error) => this.destroy(error));
    inner.on('close', () => this.destroy());
  }

  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    if (held.length > 0 && !this.#inner.destroyed) this.#inner.write(Buffer.concat(held));
  }

  /** What comes from now on is not taken: it was not acknowledged, and comes again. */
  stopReading(): void {
    this.#deaf = true;
  }

  override _read(): void {
    this.#inner.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#held === undefined) this.#inner.write(chunk);
    else this.#held.push(chunk);
    done();
  }

  override _final(done: (error?: Error | null) => void): void {
    // What is held is of messages that are not on stable storage, also at a goodbye.
    this.#held = undefined;
    this.#inner.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#held = undefined;
    this.#inner.destroy();
    done(error);
  }
}
