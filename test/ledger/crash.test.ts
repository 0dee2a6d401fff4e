import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { readAll, openLedger, sale, temporaryDirectory } from './rig.ts';
import { listAll, seeded, SEGMENT_BYTES, verifyDirectory } from './sample.ts';

const SEED = Number(process.env['FIELDPOST_SEED'] ?? Math.floor(Math.random() * 1e9));
const KILLS = Number(process.env['FIELDPOST_KILLS'] ?? 25);
const CHILD = join(import.meta.dirname, 'appender.ts');
const SALES_PER_RUN = 100_000;

interface Told {
  readonly accepted: Map<number, number>;
  readonly released: Set<number>;
}

/** Starts the appender, kills it after a while, and keeps what it said. */
async function runAndKill(directory: string, first: number, afterMs: number, told: Told): Promise<void> {
  const args = ['--import', 'tsx', CHILD, directory, String(SALES_PER_RUN), String(first)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  await Promise.race([once(child.stdout, 'data'), once(child, 'close')]);
  await pause(afterMs);
  child.kill('SIGKILL');
  await once(child, 'close');
  const lines = Buffer.concat(chunks).toString().split('\n');
  // What stands behind the last line end was not said whole.
  for (const line of lines.slice(0, -1)) {
    const [kind, number, seq] = line.split(' ');
    if (kind === 'accepted') {
      assert.ok(!told.accepted.has(Number(number)), `sale ${number} accepted once`);
      told.accepted.set(Number(number), Number(seq));
    } else if (kind === 'released') told.released.add(Number(number));
    else assert.equal(kind, 'ready', line);
  }
}

test('what a killed agent had accepted is there, in one chain, and no sequence is used twice', async (t) => {
  t.diagnostic(`FIELDPOST_SEED=${SEED} FIELDPOST_KILLS=${KILLS}`);
  const directory = await temporaryDirectory(t);
  const random = seeded(SEED);
  const told: Told = { accepted: new Map(), released: new Set() };
  for (let kill = 0; kill < KILLS; kill += 1) {
    await runAndKill(directory, 1 + kill * SALES_PER_RUN, Math.floor(random() * 250), told);
    const events = new Map((await listAll(directory)).map((event) => [event.seq, event.payload]));
    for (const [number, seq] of told.accepted) {
      const { source } = JSON.parse(events.get(seq)?.toString() ?? '{}') as { source?: { seq: string } };
      assert.equal(source?.seq, String(number), `seq ${seq} is sale ${number} (seed ${SEED}, kill ${kill})`);
    }
    const verdict = await verifyDirectory(directory);
    assert.deepEqual(verdict.problems, [], `seed ${SEED}, kill ${kill}`);
    // A kill in the first milliseconds may leave a ledger without its first event.
    assert.ok(verdict.epochs.length <= 1 && (verdict.epochs.length === 1 || told.accepted.size === 0));
  }
  assert.ok(told.accepted.size > KILLS * 5, `${told.accepted.size} accepted`);
  assert.equal(new Set(told.accepted.values()).size, told.accepted.size);

  const ledger = await openLedger(directory, { segmentBytes: SEGMENT_BYTES });
  const life = ledger.drainingLife;
  assert.ok(life);
  for (const seq of told.released) assert.ok(life.released.has(seq) || life.handed.has(seq), `seq ${seq} is released`);
  for (const number of [...told.accepted.keys()].slice(-50)) {
    assert.equal((await ledger.append(sale(number))).kind, 'repeat');
  }
  assert.ok((await readAll(ledger)).length >= told.accepted.size);
  await ledger.close();
});
