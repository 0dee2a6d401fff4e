/**
 * The ports of the serial side (ports.ts says what a port is): where a line is, one opening of it, and who else is on it.
 */
import type { Timer } from './ports.ts';

/** Where a line is. `kind: 'tcp'` is a raw TCP serial server such as ser2net. */
export type PortSpec =
  | {
      readonly kind: 'tty';
      readonly path: string;
      readonly baudRate: number;
      readonly dataBits: 5 | 6 | 7 | 8;
      readonly parity: 'none' | 'even' | 'odd';
      readonly stopBits: 1 | 1.5 | 2;
    }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export interface LineListener {
  /** Bytes as they came. The chunk is the listener's to keep. */
  bytes(chunk: Buffer): void;
  /** Called exactly once per opened connection, whoever ended it. Nothing follows. */
  closed(reason: string): void;
}

/** One opening of a line. Never reopened: a new opening is a new object, so a late write can not reach another device. */
export interface LineConnection {
  /** Resolves when the system has taken the bytes; rejects with Fault `line.closed` once this connection is gone. */
  write(bytes: Buffer): Promise<void>;
  /** Once what was written has left. Rejects with Fault `line.closed`, or `line.open` where the line has no baud rate (TCP). */
  setBaudRate(baudRate: number): Promise<void>;
  /** Programs that have this line open too, as far as they can be seen; bytes that they take do not come here. */
  others?(): Promise<readonly LineUser[]>;
  close(): Promise<void>;
}

/** Another program on a line. */
export interface LineUser {
  readonly pid: number;
  readonly program: string;
}

export interface LineOpener {
  /** Rejects with Fault `line.open`, naming the path and the system's reason. */
  open(spec: PortSpec, listener: LineListener): Promise<LineConnection>;
  /** Runs once when a device comes to be where the line is, or another than now; undefined: that can not be told. */
  appears?(spec: PortSpec, run: () => void): Timer | undefined;
}

/**
 * What Modbus units still owe: until when an answer to an old request may come, by port and unit. Kept for the whole
 * process, beyond a bus: a configuration that is read anew makes new buses on the same wires, and an RTU answer does not
 * say which registers it holds. What was asked before the process began is not known, only that it was before.
 */
export interface OwedAnswers {
  /** When the process began, on the monotonic clock, milliseconds. */
  readonly sinceMs: number;
  /** Of a port: unit to the end of its time, on the monotonic clock. The same map each time. */
  of(port: string): Map<number, number>;
}
