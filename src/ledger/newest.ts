/** The newest events of a ledger, for who has to know after a crash what was accepted last. */
import type { Ledger } from './ledger.ts';

/** What is read at a time. */
const READ_BYTES = 256 * 1024;

/** The texts of at most `count` events of the epoch in use, oldest first. What can not be read is left out. */
export async function newestEvents(ledger: Ledger, count: number): Promise<readonly Buffer[]> {
  const life = ledger.settlement.lives.at(-1);
  if (life === undefined) return [];
  const found: Buffer[] = [];
  let from = Math.max(life.first, life.last - count + 1);
  while (from <= life.last) {
    const { events, next } = await ledger
      .read(life, from, READ_BYTES, 'replay')
      .catch(() => ({ events: [], next: from }));
    found.push(...events.map(({ payload }) => payload));
    if (next <= from) break;
    from = next;
  }
  return found;
}
