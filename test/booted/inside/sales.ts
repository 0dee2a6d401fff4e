/** The sales that were answered, against what the ledger and the consumer have of them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ANSWERED_FILE, COLLECTED, PLACE } from './state.ts';
import { expect, run, until } from './system.ts';

interface Sale {
  readonly sensor: string;
  readonly source?: { readonly seq: string };
}

export function answered(): readonly number[] {
  if (!existsSync(ANSWERED_FILE)) return [];
  return readFileSync(ANSWERED_FILE, 'utf8').trim().split('\n').map(Number);
}

/** Sales go on. */
export async function sells(): Promise<string> {
  const before = answered().length;
  await until('five more sales', () => answered().length >= before + 5);
  return `${answered().length} sales answered`;
}

/** Each answered sale is at the consumer, once, and the ledger is sound. */
export async function eachOnce(): Promise<string> {
  const wanted = answered();
  await until('all sales at the consumer', () => wanted.every((seq) => (collected().get(seq) ?? 0) > 0), 60_000);
  const counts = collected();
  const repeated = [...counts].filter(([, count]) => count > 1);
  expect(repeated.length === 0, `at the consumer more than once: ${repeated.slice(0, 5).join('; ')}`);
  const said = run(
    '/usr/bin/node',
    `${PLACE}/dist/fieldpost.mjs`,
    'ledger',
    'verify',
    '--dir',
    '/var/lib/fieldpost/ledger',
  );
  return `${wanted.length} sales, each once; ${said.trim().split('\n').at(-1)}`;
}

/** How often each sale was written down. */
function collected(): Map<number, number> {
  const counts = new Map<number, number>();
  for (const name of readdirSync(COLLECTED, { recursive: true, encoding: 'utf8' })) {
    if (!/\d{4}-\d\d-\d\d\.ndjson$/.test(name)) continue;
    for (const line of readFileSync(join(COLLECTED, name), 'utf8').split('\n')) {
      if (!line.startsWith('{')) continue;
      const { sensor, source } = JSON.parse(line) as Sale;
      if (sensor !== 'pump' || source === undefined) continue;
      counts.set(Number(source.seq), (counts.get(Number(source.seq)) ?? 0) + 1);
    }
  }
  return counts;
}
