/** `fieldpost read` as a process: readings, would-be events and a verdict; asked, but never answered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/platform/clock.ts';
import { lineOpener } from '../../src/platform/lines.ts';
import type { PortSpec } from '../../src/ports-line.ts';
import { verdictText } from '../../src/cli/read-verdict.ts';
import type { SensorCounters } from '../../src/sensor/sensor.ts';
import { Heard, ptyFarEnd, ttySpec, until } from '../serial-rig.ts';
import { deviceFile, directory, ended, jsonLines, run, simulate, start } from './rig.ts';

const pathOf = (spec: PortSpec): string => (spec.kind === 'tty' ? spec.path : assert.fail('no tty'));

test('what a talking meter says is shown as readings and as the event that it would be', async (t) => {
  const { where } = await simulate(t, ['dsmr5', '--every', '200ms']);
  const config = deviceFile(directory(t), [{ id: 'p1', profile: 'dsmr5', port: { path: where } }]);
  const child = start(t, ['read', 'p1', '--config', config, '--seconds', '60', '--json']);
  await until(() => child.outLines.filter((line) => line.includes('power_import')).length > 2, 'readings', 60_000);
  child.signal('SIGINT');
  assert.equal(await ended(child), 0);
  const lines = jsonLines(child.outLines.join('\n'));
  assert.ok(lines.some(({ name, unit }) => name === 'power_import' && unit === 'kW'));
  const events = lines.filter(({ event }) => event !== undefined);
  // One in a quarter of an hour: two where the test stands across one.
  assert.ok(events.length === 1 || events.length === 2, JSON.stringify(events));
  const last = lines.at(-1);
  assert.equal(last?.['verdict'], 'ok');
  assert.equal(last?.['events'], events.length);
});

for (const [profile, reading] of [
  ['sdm120', /voltage [\d.]+ V/],
  ['iec62056-d0', /import [\d.]+ kWh/],
  ['sps30', /pm2_5 [\d.]+ ug\/m3/],
] as const) {
  test(`${profile} is asked, and its answer is shown`, async (t) => {
    const { where } = await simulate(t, [profile]);
    const config = deviceFile(directory(t), [{ id: 'm', profile, port: { path: where } }]);
    const child = start(t, ['read', '--config', config, '--seconds', '60']);
    await until(() => child.outLines.some((line) => reading.test(line)), 'the reading', 60_000);
    child.signal('SIGINT');
    assert.equal(await ended(child), 0);
    assert.match(child.outLines.at(-1) ?? '', /^ok: \d+ readings?, \d+ events?; \d+ bytes/);
  });
}

test('a record that waits for its answer is shown, is one event however often it comes, and is never answered', async (t) => {
  const far = await ptyFarEnd(t);
  const sensor = {
    id: 'pulses',
    profile: 'pulse-counter',
    port: { path: pathOf(far.spec) },
    init: { settle: '0s', steps: [{ write: 'HELLO\n' }] },
  };
  const child = start(t, ['read', 'pulses', '--config', deviceFile(directory(t), [sensor]), '--seconds', '60']);
  await until(() => far.received().length > 0, 'what the device is told first', 60_000);
  for (let round = 1; round <= 3; round += 1) {
    await far.send('{"pulses":5,"boot":"a1","seq":7}\n');
    await until(
      () => child.outLines.filter((line) => / {2}pulses 5$/.test(line)).length === round,
      'the reading',
      30_000,
    );
  }
  child.signal('SIGTERM');
  assert.equal(await ended(child), 0);
  const events = child.outLines.filter((line) => line.includes('would be event'));
  assert.equal(events.length, 1);
  assert.match(events[0] ?? '', /would be event pulses\/count number a1\/7 \{pulses: "?5"?\}$/);
  assert.equal(far.received().toString(), 'HELLO\n');
});

test('a line that another process holds is told plainly, and nothing is read from it', async (t) => {
  const far = await ptyFarEnd(t);
  const held = await lineOpener(systemClock).open(ttySpec(pathOf(far.spec)), new Heard());
  t.after(() => held.close());
  const config = deviceFile(directory(t), [{ id: 'p1', profile: 'dsmr5', port: { path: pathOf(far.spec) } }]);
  const { status, stderr, stdout } = run(['read', 'p1', '--config', config]);
  assert.equal(status, 1);
  assert.match(stderr, /^fieldpost read: p1: .*another process holds this line \(lock\); is the agent running\?/);
  assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
  assert.equal(stdout, '');
});

test('a verdict without readings says what to look at', async (t) => {
  const far = await ptyFarEnd(t);
  const config = deviceFile(directory(t), [{ id: 'p1', profile: 'dsmr5', port: { path: pathOf(far.spec) } }]);
  const silent = run(['read', 'p1', '--config', config, '--seconds', '2']);
  assert.equal(silent.status, 1);
  assert.match(silent.stdout, /^no reading \(.*nothing comes: check wiring, power/);
});

test('frames that make no reading are told by their reason', () => {
  const none = { frames: 3, invalid: 0, unrouted: 0, outOfRange: 0, unusable: 0, flagged: 0, noEvent: 0 };
  const verdict = (counters: Partial<SensorCounters>) => verdictText({ ...none, ...counters } as SensorCounters, 'why');
  assert.match(verdict({ unrouted: 3 }), /no route takes them/);
  assert.match(verdict({ outOfRange: 3 }), /out of range/);
  assert.match(verdict({ noEvent: 3 }), /make no event/);
  assert.equal(verdict({ invalid: 3, unrouted: 1 }), 'no reading (why)');
  assert.equal(verdict({}), 'no reading (why)');
});
