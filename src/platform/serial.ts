/**
 * Lines of `kind: 'tty'`: serial ports, USB adapters and pseudo-terminals, through serialport's stream over the guarded
 * binding. Each opening is a new stream that is never opened again, so no byte and no write outlives an unplug.
 */
import { SerialPortStream } from '@serialport/stream';
import { Fault, reasonOf } from '../fault.ts';
import type { LineConnection, LineListener, PortSpec } from '../ports.ts';
import { guardedBinding } from './guarded-binding.ts';

type TtySpec = Extract<PortSpec, { readonly kind: 'tty' }>;
type Stream = SerialPortStream<typeof guardedBinding>;

export async function openTty(spec: TtySpec, listener: LineListener): Promise<LineConnection> {
  const stream: Stream = new SerialPortStream({
    binding: guardedBinding,
    path: spec.path,
    baudRate: spec.baudRate,
    dataBits: spec.dataBits,
    parity: spec.parity,
    stopBits: spec.stopBits,
    // Advisory (flock), and gone with the process also after kill -9: keeps a second agent off the line.
    lock: true,
    // DTR stays up when the agent closes the port: an Arduino would reset, and lose what it has not sent.
    hupcl: false,
    autoOpen: false,
  });
  await new Promise<void>((resolve, reject) => {
    stream.open((error) => (error === null ? resolve() : reject(new Fault('line.open', openReason(spec, error)))));
  });
  return new TtyConnection(spec, stream, listener);
}

/** serialport says "Error: No such file or directory, cannot open /dev/ttyUSB0". */
function openReason(spec: TtySpec, error: Error): string {
  const reason = error.message.replace(/^Error: /, '');
  if (/cannot lock/i.test(reason)) return `${spec.path}: another process holds this line (lock)`;
  return `${spec.path}: ${reason}`;
}

class TtyConnection implements LineConnection {
  readonly #spec: TtySpec;
  readonly #stream: Stream;
  readonly #listener: LineListener;
  readonly #writes = new Set<(fault: Fault) => void>();
  readonly #ended: Promise<void>;
  #end: (() => void) | undefined;
  #over = false;

  constructor(spec: TtySpec, stream: Stream, listener: LineListener) {
    this.#spec = spec;
    this.#stream = stream;
    this.#listener = listener;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    stream.on('data', (chunk: Buffer) => {
      if (!this.#over) listener.bytes(chunk);
    });
    stream.once('close', (error?: Error | null) => this.#finish(error ? error.message : 'closed by the agent'));
    stream.on('error', (error) => this.#finish(reasonOf(error)));
  }

  write(bytes: Buffer): Promise<void> {
    if (this.#over || !this.#stream.isOpen) return Promise.reject(this.#closedFault());
    return new Promise((resolve, reject) => {
      this.#writes.add(reject);
      this.#stream.write(bytes, (error) => {
        this.#writes.delete(reject);
        if (error) reject(new Fault('line.closed', `${this.#spec.path}: ${error.message}`, { cause: error }));
        else resolve();
      });
    });
  }

  async close(): Promise<void> {
    if (this.#over) return;
    // A device that takes nothing (flow control) would hold the close for the driver's closing_wait, 30 s.
    if (this.#writes.size > 0) await new Promise<void>((done) => this.#stream.flush(() => done()));
    if (this.#stream.isOpen) this.#stream.close();
    await this.#ended;
  }

  #finish(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    // After an error the descriptor may still be open. Its own failure to close has nobody left to tell.
    if (this.#stream.isOpen) this.#stream.close(() => undefined);
    for (const reject of this.#writes) reject(this.#closedFault());
    this.#writes.clear();
    this.#end?.();
    this.#listener.closed(reason);
    this.#stream.destroy();
  }

  #closedFault(): Fault {
    return new Fault('line.closed', `${this.#spec.path}: this connection is gone; nothing was written`);
  }
}
