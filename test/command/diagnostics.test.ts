/** `diagnostics.collect`: one bounded document in pieces, a part that fails told in its place, and no secrets. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import * as v from 'valibot';
import { defineCommand, type Document } from '../../src/command/command.ts';
import { diagnosticsCommand, type DiagnosticsSources } from '../../src/command/diagnostics.ts';
import { LogRing } from '../../src/command/log-ring.ts';
import { DEVICE_BYTES_KEYS, redacted } from '../../src/redacted.ts';
import { compress } from '../../src/platform/gzip.ts';
import { createLog } from '../../src/platform/log.ts';
import { until } from '../rig/wait.ts';
import { HandClock } from '../sensor-rig.ts';
import { asker, notWanted, timeAfter } from './asker.ts';

interface Chunk {
  readonly index: number;
  readonly of: number;
  readonly data: string;
  readonly sha256: string;
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

function bench(parts: DiagnosticsSources['parts'], ping: () => unknown = () => ({})) {
  const clock = new HandClock();
  const chunks: Chunk[] = [];
  const asked = defineCommand({
    name: 'status.get',
    changes: false,
    summary: 'Answers.',
    args: v.strictObject({}),
    result: v.looseObject({}),
    run: ping,
  });
  const command = diagnosticsCommand({ clock, device: 'pump-42', commands: () => [asked], parts, compress });
  const ask = asker([command], notWanted, ({ chunk }) => Promise.resolve(void chunks.push(chunk as Chunk)));
  const whole = (): Document => {
    const bytes = Buffer.concat(chunks.map(({ data }) => Buffer.from(data, 'base64')));
    return JSON.parse(gunzipSync(bytes).toString()) as Document;
  };
  return { clock, chunks, ask, collect: () => ask('diagnostics.collect') as Promise<Document>, whole };
}

test('the pieces put together are what the answer says, and hold each part', async () => {
  const noise = randomBytes(90_000).toString('base64');
  const { collect, chunks, whole } = bench({ log: () => [noise], config: () => ({ hash: 'h' }) }, () => ({
    state: 'online',
  }));
  const result = await collect();
  const bytes = Buffer.concat(chunks.map(({ data }) => Buffer.from(data, 'base64')));
  assert.deepEqual(
    [result['bytes'], result['sha256'], result['chunks'], result['content_type'], result['left_out']],
    [bytes.length, sha256(bytes), chunks.length, 'application/gzip', []],
  );
  assert.ok(chunks.length >= 3);
  for (const [index, chunk] of chunks.entries()) {
    assert.deepEqual([chunk.index, chunk.of], [index, chunks.length]);
    assert.equal(chunk.sha256, sha256(Buffer.from(chunk.data, 'base64')));
  }
  const { parts, ...head } = whole();
  assert.deepEqual(head, { v: 1, what: 'fieldpost diagnostics', device: 'pump-42', at: timeAfter(0), left_out: [] });
  const { 'status.get': status, config, log } = parts as Document;
  assert.deepEqual([status, config, (log as string[])[0]?.length], [{ state: 'online' }, { hash: 'h' }, noise.length]);
});

test('a part that fails or hangs is told in its place, and the others are there', async () => {
  const fails = (): never => assert.fail('no such file');
  const { collect, whole, clock, chunks } = bench(
    { sensors: fails, log: () => ['l'] },
    () => new Promise(() => undefined),
  );
  const asked = collect();
  await until(() => clock.timers > 0, 'the part that hangs', 5000);
  assert.equal(await collect(), 'a collection is under way');
  // The parts before it have none of this bench's commands, and take a turn each.
  for (let turn = 0; turn < 50 && chunks.length === 0; turn += 1) {
    clock.pass(45_000);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await asked;
  const { 'status.get': status, sensors, log } = whole()['parts'] as Document;
  assert.deepEqual([status, sensors, log], [{ why: 'took longer than 45 s' }, { why: 'no such file' }, ['l']]);
});

test('what is least needed is left out until the rest fits 1 MiB, and says so', async () => {
  const big = (): string => randomBytes(900_000).toString('base64');
  const { collect, whole } = bench({ config: () => ({ hash: 'h' }), commands: big, log: big });
  const result = await collect();
  assert.deepEqual(result['left_out'], ['log']);
  assert.ok(Number(result['bytes']) <= 1024 * 1024);
  const { parts, left_out: leftOut } = whole();
  assert.deepEqual([Object.keys(parts as Document).includes('log'), leftOut], [false, ['log']]);
  const huge = bench({ other: () => randomBytes(1_200_000).toString('base64') });
  assert.match(String(await huge.ask('diagnostics.collect')), /more than 1048576 bytes/);
});

test('the newest lines of the log are kept, bounded in number and size, whatever is logged', () => {
  const clock = new HandClock();
  const log = createLog({ level: 'error', journal: false, write: () => undefined });
  const ring = new LogRing(clock, log);
  log.debug('not this');
  log.info('line lost', { sensor: 'pump' });
  assert.deepEqual(ring.lines, [
    { time: timeAfter(0), level: 'info', sentence: 'line lost', fields: { sensor: 'pump' } },
  ]);
  for (let at = 0; at < 1000; at += 1) log.warn(`line ${at}`);
  assert.deepEqual([ring.lines.length, ring.lines.at(-1)?.['sentence']], [500, 'line 999']);
  const fields = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`f${at}`, 'x'.repeat(5000)]));
  for (let at = 0; at < 50; at += 1) log.error('y'.repeat(5000), fields);
  assert.ok(JSON.stringify(ring.lines).length < 140_000);
  assert.ok(ring.lines.length >= 5);
  const kept = ring.lines.length;
  ring.stop();
  log.error('of the next agent');
  assert.equal(ring.lines.length, kept);
});

test('what is written to devices, names, and passwords in addresses are struck out of the configuration', () => {
  const struck = redacted(
    {
      broker: { urls: ['mqtts://user:geheim@b.example:8883', 'mqtts://b.example'], username: 'geheim' },
      sensors: [
        {
          init: { steps: [{ write: 'LOGIN geheim', expect: 'geheim', timeout: 5 }] },
          writes: { a: { write: 'geheim' } },
        },
      ],
      on: null,
    },
    DEVICE_BYTES_KEYS,
  );
  assert.deepEqual(struck, {
    broker: { urls: ['mqtts://***@b.example:8883', 'mqtts://b.example'], username: '***' },
    sensors: [{ init: { steps: [{ write: '***', expect: '***', timeout: 5 }] }, writes: { a: { write: '***' } } }],
    on: null,
  });
});
