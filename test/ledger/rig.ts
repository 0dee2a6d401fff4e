/** A real ledger in a real directory, for the ledger's tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Ledger, type LedgerOptions } from '../../src/ledger/ledger.ts';
import type { StoredEvent } from '../../src/ledger/event.ts';
import { systemChance } from '../../src/platform/chance.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { ledgerFiles } from '../../src/platform/ledger-files.ts';
import type { AppendResult, EventDraft, Log } from '../../src/ports.ts';

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'fieldpost-ledger-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export const boot = { id: '11111111-2222-3333-4444-555555555555', uptimeMs: () => 1000 };

export function quietLog(lines: string[] = []): Log {
  const put =
    (level: string) =>
    (sentence: string): void => {
      lines.push(`${level}: ${sentence}`);
    };
  return { error: put('error'), warn: put('warn'), info: put('info'), debug: put('debug') };
}

export async function openLedger(directory: string, options: Partial<LedgerOptions> = {}): Promise<Ledger> {
  const ledger = new Ledger({
    files: ledgerFiles(directory),
    clock: systemClock,
    chance: systemChance,
    boot,
    log: quietLog(),
    device: 'pump-42',
    segmentBytes: 64 * 1024,
    maxBytes: 16 * 1024 * 1024,
    retainMs: 30 * 86_400_000,
    ...options,
  });
  await ledger.open();
  return ledger;
}

export function sale(seq: number, ml = seq * 10, epoch = 'a1'): EventDraft {
  return {
    sensor: 'pump',
    stream: 'sale',
    type: 'delivery',
    data: { volume: { value: `${ml}`, unit: 'l', quality: 'good' } },
    source: { epoch, seq: String(seq) },
    raw: Buffer.from(`sale ${seq} ${ml}`),
  };
}

export async function appendSales(ledger: Ledger, from: number, through: number): Promise<AppendResult[]> {
  const results: Promise<AppendResult>[] = [];
  for (let seq = from; seq <= through; seq += 1) {
    results.push(ledger.append(sale(seq)));
    if (results.length % 100 === 0) await Promise.all(results);
  }
  return Promise.all(results);
}

/** Every event that the ledger can still read, oldest life first. */
export async function readAll(ledger: Ledger): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  const life = ledger.drainingLife;
  if (life === undefined) return events;
  let from = life.first;
  while (from <= life.last) {
    const read = await ledger.read(life, from, 64 * 1024);
    events.push(...read.events);
    if (read.next <= from) break;
    from = read.next;
  }
  return events;
}
