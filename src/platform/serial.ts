/**
 * Lines of `kind: 'tty'`: serial ports, USB adapters and pseudo-terminals. serialport's binding opens and configures the
 * port, holds the lock on it and changes the baud rate; the bytes go through a stream of their own (tty-stream.ts). Each
 * opening is a new object that is never opened again, so no byte and no write outlives an unplug, which ends it at once.
 */
import type { ReadStream } from 'node:tty';
import { SerialPort } from 'serialport';
import { Fault, reasonOf, systemCodeOf } from '../fault.ts';
import type { Clock, Timer } from '../ports.ts';
import type { LineConnection, LineListener, LineUser, PortSpec } from '../ports-line.ts';
import { usersOf } from './port-users.ts';
import { openTtyStream } from './tty-stream.ts';

type TtySpec = Extract<PortSpec, { readonly kind: 'tty' }>;
type Port = Awaited<ReturnType<(typeof SerialPort.binding)['open']>>;

/** Time for what was written to leave when the agent closes the line, milliseconds. */
const LEAVE_MS = 500;
/**
 * Not every adapter says what it still holds (ch341, pl2303 and cdc-acm do not), nor does a pty: what was written gets the
 * time it takes on the wire before the baud rate changes. So long at most, milliseconds: 64 bytes at 300 Bd.
 */
const HELD_MS_MAX = 2200;
const HUNG_UP = 'the line hung up (unplugged?)';

/** Rejects with Fault `line.open`, naming the path and the system's reason. */
export async function openTty(spec: TtySpec, listener: LineListener, clock: Clock): Promise<LineConnection> {
  let port: Port | undefined;
  let stream: ReadStream | undefined;
  try {
    port = await openPort(spec);
    stream = await openTtyStream(spec.path, descriptorOf(port), (chunk) => listener.bytes(chunk));
    // A hang-up ends all descriptors of a tty. The port's, opened first, still answers: so the stream's is alive too.
    await askBaudRate(port);
    const connection = new TtyConnection({ spec, port, stream, listener, clock });
    connection.start();
    return connection;
  } catch (error) {
    stream?.destroy();
    // The opening has failed for a reason of its own, which is the one to tell.
    await port?.close().catch(() => undefined);
    throw new Fault('line.open', `${spec.path}: ${openReason(error)}`, { cause: error });
  }
}

/**
 * Rejects where the port is gone (EIO). An emulator that does not pass this ioctl on (TCGETS2: qemu-user says ENOSYS)
 * can tell nothing, and that is no reason to refuse the line. The binding gives the system's words alone, no code.
 */
async function askBaudRate(port: Port): Promise<void> {
  try {
    await port.getBaudRate();
  } catch (error) {
    if (!reasonOf(error).includes('Function not implemented')) throw error;
  }
}

function openPort(spec: TtySpec): Promise<Port> {
  return SerialPort.binding.open({
    path: spec.path,
    baudRate: spec.baudRate,
    dataBits: spec.dataBits,
    parity: spec.parity,
    stopBits: spec.stopBits,
    // Advisory (flock), and gone with the process also after kill -9: keeps a second agent off the line.
    lock: true,
    // Else the binding sets HUPCL. It never clears it: a device that has it set drops DTR at the close all the same.
    hupcl: false,
  });
}

function descriptorOf(port: Port): number {
  if ('fd' in port && port.fd !== null) return port.fd;
  throw new Error('serial lines need Linux');
}

/** serialport says "Error: No such file or directory, cannot open /dev/ttyUSB0". */
function openReason(error: unknown): string {
  const reason = reasonOf(error).replace(/^Error:? /, '');
  return /cannot lock/i.test(reason) ? 'another process holds this line (lock)' : reason;
}

/** Of a character: a start bit, the data, parity, and what it ends with. */
function bitsOf({ dataBits, parity, stopBits }: TtySpec): number {
  return 1 + dataBits + (parity === 'none' ? 0 : 1) + stopBits;
}

interface Parts {
  readonly spec: TtySpec;
  readonly port: Port;
  readonly stream: ReadStream;
  readonly listener: LineListener;
  readonly clock: Clock;
}

class TtyConnection implements LineConnection {
  readonly #parts: Parts;
  readonly #writes = new Set<(fault: Fault) => void>();
  /** Calls on the port's descriptor that are under way: a late one would meet whatever file got the same number next. */
  readonly #calls = new Set<Promise<unknown>>();
  #baudRate: number;
  /** When the last byte written is off the wire at the latest, if they go one after the other. */
  #sentMs = 0;
  #closed: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#baudRate = parts.spec.baudRate;
  }

  start(): void {
    const { stream } = this.#parts;
    stream.once('end', () => this.#lost(HUNG_UP));
    stream.once('close', () => this.#lost(HUNG_UP));
    // Input/output error is the other way a tty says that it hung up.
    stream.on('error', (error) => this.#lost(systemCodeOf(error) === 'EIO' ? HUNG_UP : reasonOf(error)));
    stream.resume();
  }

  write(bytes: Buffer): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#gone());
    const { spec, stream, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    this.#sentMs = Math.max(nowMs, this.#sentMs) + (bytes.length * bitsOf(spec) * 1000) / this.#baudRate;
    return new Promise((resolve, reject) => {
      this.#writes.add(reject);
      stream.write(bytes, (error) => {
        this.#writes.delete(reject);
        if (error) reject(new Fault('line.closed', `${spec.path}: ${error.message}`, { cause: error }));
        // Node reports a write that is given up with the stream as if it had been done.
        else if (stream.destroyed) reject(this.#gone());
        else resolve();
      });
    });
  }

  async setBaudRate(baudRate: number): Promise<void> {
    const { spec, port, clock } = this.#parts;
    // Writes go in order: this one is taken once all before it are.
    await this.write(Buffer.alloc(0));
    try {
      // Once it closes, no call may begin: the close waits only for those under way.
      if (this.#closed !== undefined) throw this.#gone();
      await this.#call(() => port.drain());
      const heldMs = Math.min(HELD_MS_MAX, this.#sentMs - clock.monotonicMs());
      if (heldMs > 0) await new Promise<void>((resolve) => clock.after(heldMs, resolve));
      if (this.#closed !== undefined) throw this.#gone();
      await this.#call(() => port.update({ baudRate }));
      this.#baudRate = baudRate;
    } catch (error) {
      if (this.#closed !== undefined) throw this.#gone();
      throw new Fault('line.closed', `${spec.path}: ${baudRate} Bd: ${reasonOf(error)}`, { cause: error });
    }
  }

  others(): Promise<readonly LineUser[]> {
    return usersOf(this.#parts.spec.path);
  }

  close(): Promise<void> {
    return this.#closed ?? this.#end(() => this.#leave());
  }

  #lost(reason: string): void {
    if (this.#closed !== undefined) return;
    // Told by close(), if it is called; else there is nobody to tell.
    this.#end(() => this.#release()).catch(() => undefined);
    this.#parts.listener.closed(reason);
  }

  /** No byte comes or goes after this, whatever the port still waits for. */
  #end(release: () => Promise<void>): Promise<void> {
    this.#parts.stream.destroy();
    for (const reject of this.#writes) reject(this.#gone());
    this.#writes.clear();
    this.#closed = release();
    return this.#closed;
  }

  /** A device that takes nothing (flow control) would hold the close for the driver's closing_wait, 30 s. */
  async #leave(): Promise<void> {
    const { port, clock, listener } = this.#parts;
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = clock.after(LEAVE_MS, resolve);
    });
    const left = this.#call(() => port.drain()).catch(() => undefined);
    await Promise.race([left, late]);
    timer?.cancel();
    // This also ends a drain that waits for ever. Where it fails the line hung up meanwhile.
    await this.#call(() => port.flush()).catch(() => undefined);
    try {
      await this.#release();
    } finally {
      listener.closed('closed by the agent');
    }
  }

  async #release(): Promise<void> {
    await Promise.allSettled(this.#calls);
    await this.#parts.port.close();
  }

  async #call(run: () => Promise<unknown>): Promise<void> {
    const call = run();
    this.#calls.add(call);
    try {
      await call;
    } finally {
      this.#calls.delete(call);
    }
  }

  #gone(): Fault {
    return new Fault('line.closed', `${this.#parts.spec.path}: this connection is gone; nothing was written`);
  }
}
