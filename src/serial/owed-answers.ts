/**
 * What Modbus units still owe: until when an answer to an old request may come, by port and unit. Kept for the whole
 * process, beyond a bus: a configuration that is read anew makes new buses on the same wires, and an RTU answer does not
 * say which registers it holds. What was asked before this process began is not known, only that it was before.
 */

export class OwedAnswers {
  /** When the process began, on the monotonic clock, milliseconds. */
  readonly sinceMs: number;
  readonly #ports = new Map<string, Map<number, number>>();

  constructor(sinceMs: number) {
    this.sinceMs = sinceMs;
  }

  /** Of a port: unit to the end of its time, on the monotonic clock. */
  of(port: string): Map<number, number> {
    const known = this.#ports.get(port) ?? new Map<number, number>();
    this.#ports.set(port, known);
    return known;
  }
}
