/** The process's own memory of what Modbus units owe. Behind `OwedAnswers` of ports-line.ts. */
import type { OwedAnswers } from '../ports-line.ts';

/** `sinceMs`: when the process began, on the monotonic clock. */
export function owedAnswers(sinceMs: number): OwedAnswers {
  const ports = new Map<string, Map<number, number>>();
  return {
    sinceMs,
    of: (port) => {
      const known = ports.get(port) ?? new Map<number, number>();
      ports.set(port, known);
      return known;
    },
  };
}
