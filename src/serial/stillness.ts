/**
 * What can be told from time on a line: whether its first bytes may be the rest of a frame, and when there was silence. Timers
 * run before the bytes that wait in the kernel are read. A program that was held up would take bytes of long ago for bytes of
 * now, and a pause that never was for silence: so each look is followed by another, once what waited has been read.
 */
import type { Clock, Timer } from '../ports.ts';
import type { PortSpec } from '../ports-line.ts';
import type { Framing } from './framing.ts';

/**
 * Bytes that come this soon after a tty was opened, or bytes on it were cut in two, may be the rest of a frame: the device was
 * already talking. 10 characters at 9600 Bd and an FTDI adapter's latency timer of 16 ms fit in twice.
 */
const CUT_MS = 50;
/** A serial server opens its tty once we are connected, and what it hears first is a round trip away: mobile networks, VPN. */
const SERVER_MS = 1000;
/** Until what waits in the kernel has been read. */
const READ_MS = 1;
/** What timers are late by of themselves. Bytes that come later than that and find nobody has looked: the program was held up. */
const LATE_MS = 2;

/** How long after an opening bytes may be the rest of a frame. */
export function tornMs(port: PortSpec): number {
  return port.kind === 'tcp' ? SERVER_MS : CUT_MS;
}

/** How long after bytes were cut in two the next may be the rest: a serial server may send again what the network lost. */
export function cutMs(port: PortSpec, framing: Framing): number {
  return Math.max(tornMs(port), framing.type === 'gap' ? framing.silence : 0);
}

/** How long after an opening the first request waits. */
export function quietMs(port: PortSpec, dropsTorn: boolean): number {
  return (dropsTorn ? tornMs(port) : CUT_MS) + 10 * READ_MS;
}

/** True for a while, and until what came in it has been read. */
export class Torn {
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #isTorn = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isTorn(): boolean {
    return this.#isTorn;
  }

  begin(ms: number): void {
    this.cancel();
    this.#isTorn = true;
    this.#timer = this.#clock.after(ms, () => {
      this.#timer = this.#clock.after(READ_MS, () => {
        this.#isTorn = false;
      });
    });
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}

/** Silence behind the newest bytes. */
export class Silence {
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Bytes have come. False: whether there was silence before them can not be told, nobody looked in time. */
  heard(): boolean {
    this.#timer?.cancel();
    const isSure = this.#clock.monotonicMs() - this.#dueMs <= READ_MS + LATE_MS;
    this.#dueMs = Number.POSITIVE_INFINITY;
    return isSure;
  }

  await(ms: number, then: () => void): void {
    this.#dueMs = this.#clock.monotonicMs() + ms;
    this.#timer = this.#clock.after(ms, () => {
      this.#timer = this.#clock.after(READ_MS, () => {
        this.#dueMs = Number.POSITIVE_INFINITY;
        then();
      });
    });
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}
