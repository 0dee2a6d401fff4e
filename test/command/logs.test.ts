/** `log.level`, `log.tail`: both for a while only, and the live log never feeds on itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logCommands } from '../../src/command/logs.ts';
import { Lease } from '../../src/command/lease.ts';
import { LogTail } from '../../src/command/log-tail.ts';
import { createLog } from '../../src/platform/log.ts';
import type { Log, LogControl } from '../../src/ports.ts';
import { HandClock } from '../sensor-rig.ts';
import { type Ask, asker, timeAfter } from './asker.ts';

interface Line {
  readonly v: number;
  readonly time: string;
  readonly level: string;
  readonly sentence: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly dropped?: number;
}

interface Bench {
  readonly clock: HandClock;
  readonly log: Log & LogControl;
  readonly written: string[];
  readonly told: Line[];
  readonly tail: LogTail;
  readonly ask: Ask;
}

function bench(publish: (bench: Bench, payload: Buffer) => boolean = keep): Bench {
  const [clock, written, told]: [HandClock, string[], Line[]] = [new HandClock(), [], []];
  const log = createLog({ level: 'warn', journal: false, write: (line) => written.push(line.trimEnd()) });
  const tail = new LogTail({ clock, logControl: log, publish: (payload) => publish(made, payload) });
  const ask = asker(logCommands({ log, logControl: log, tail, lease: new Lease(clock), topic: 'fp/v1/d/up/log' }));
  const made: Bench = { clock, log, written, told, tail, ask };
  return made;
}

function keep({ told }: Bench, payload: Buffer): boolean {
  told.push(JSON.parse(payload.toString()) as Line);
  return true;
}

test('log.level holds for its time, then the configured level is back', async () => {
  const { ask, log, clock, written } = bench();
  assert.deepEqual(await ask('log.level', { level: 'debug', for: '10m' }), {
    level: 'debug',
    until: timeAfter(600_000),
    configured: 'warn',
  });
  log.debug('seen', { a: 1 });
  clock.pass(300_000);
  // Longer, and less: the second holds alone.
  await ask('log.level', { level: 'info', for: '10m' });
  log.debug('not seen');
  clock.pass(599_999);
  log.info('still seen');
  clock.pass(1);
  log.info('not seen');
  assert.deepEqual(written.slice(0, 1), ['debug: seen a=1']);
  assert.ok(written.includes('info: still seen') && !written.some((line) => line.includes('not seen')));
  assert.equal(log.level, 'warn');
  assert.equal(clock.timers, 0);
});

test('log.tail tells lines as they are written, of its own level, until its time is over', async () => {
  const { ask, log, clock, told, written } = bench();
  assert.deepEqual(await ask('log.tail', { for: '1m', level: 'debug' }), {
    topic: 'fp/v1/d/up/log',
    level: 'debug',
    until: timeAfter(60_000),
  });
  clock.pass(59_999);
  log.debug('line is open', { sensor: 'pump', gone: undefined, at: 3, ok: true });
  assert.deepEqual(told, [
    {
      v: 1,
      time: timeAfter(59_999),
      level: 'debug',
      sentence: 'line is open',
      fields: { sensor: 'pump', at: 3, ok: true },
    },
  ]);
  clock.pass(1);
  log.error('late');
  assert.deepEqual([told.length, written], [1, ['error: late']]);
  await ask('log.tail', { for: '1m' });
  log.debug('below the level that counts when none is given');
  log.info('told');
  assert.deepEqual([told.length, told[1]?.sentence], [2, 'told']);
});

test('log.tail ends with the link, and one that is asked for again takes the place of the first', async () => {
  const { ask, log, tail, told, clock } = bench();
  await ask('log.tail', { for: '1h' });
  await ask('log.tail', { for: '1m', level: 'warn' });
  log.warn('once');
  assert.equal(told.length, 1);
  tail.end();
  tail.end();
  log.warn('not told');
  assert.deepEqual([told.length, clock.timers], [1, 0]);
});

test('a flood of lines is told at its rate, the rest is counted, and nothing of it is written because of that', async () => {
  const { ask, log, clock, told, written } = bench();
  await ask('log.tail', { for: '1h', level: 'debug' });
  for (let at = 0; at < 10_000; at += 1) log.debug('flood', { at });
  assert.equal(told.length, 50);
  clock.pass(1000);
  log.debug('after');
  assert.deepEqual([told.length, told[50]?.dropped, told[49]?.dropped], [51, 9950, undefined]);
  assert.deepEqual(written, []);
});

test('what telling a line causes to be logged is not told', async () => {
  const at = bench((bench_, payload) => {
    bench_.log.error('publish failed');
    return keep(bench_, payload);
  });
  await at.ask('log.tail', { for: '1h', level: 'debug' });
  at.log.info('a line');
  assert.deepEqual(
    at.told.map(({ sentence }) => sentence),
    ['a line'],
  );
});

test('a line that the link does not take is counted in the next one', async () => {
  let takes = false;
  const at = bench((bench_, payload) => takes && keep(bench_, payload));
  await at.ask('log.tail', { for: '1h' });
  at.log.info('lost');
  takes = true;
  at.log.info('told');
  assert.deepEqual([at.told.length, at.told[0]?.dropped], [1, 1]);
});

test('a line of any size is told within bounds', async () => {
  const { ask, log, told } = bench();
  await ask('log.tail', { for: '1h' });
  const fields = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`f${at}`, 'x'.repeat(5000)]));
  log.info('s'.repeat(100_000), fields);
  const [line] = told;
  assert.deepEqual([line?.sentence.length, Object.keys(line?.fields ?? {}).length], [512, 32]);
  assert.ok(JSON.stringify(line).length < 20_000);
});

test('a level that is none, and times that are none or too long, are refused', async () => {
  const { ask, log } = bench();
  assert.equal(
    await ask('log.level', { level: 'loud', for: '1m' }),
    'args/level: must be ("error" | "warn" | "info" | "debug"), got "loud"',
  );
  assert.equal(await ask('log.level', { level: 'debug' }), 'args/for: must be given');
  assert.equal(
    await ask('log.level', { level: 'debug', for: '2d' }),
    'args/for: must be a duration such as "10m", 1s to 1d, got "2d"',
  );
  assert.equal(await ask('log.tail', { for: '2h' }), 'args/for: must be a duration such as "10m", 1s to 1h, got "2h"');
  assert.match(String(await ask('log.tail', { for: '1m', topic: 'x' })), /args\/topic: must be left out/);
  assert.equal(log.level, 'warn');
});
