/** Telemetry: reduced, stamped once, on its beat, bounded, and counted when it is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { topicsOf } from '../src/broker/topics.ts';
import type { TelemetryRoute } from '../src/sensor/config.ts';
import type { SampleIntake } from '../src/sensor/sensor.ts';
import { samplesFactory } from '../src/telemetry/samples.ts';
import { HandClock, KeptSamples } from './sensor-rig.ts';

interface Bench {
  readonly clock: HandClock;
  readonly sink: KeptSamples;
  readonly intake: SampleIntake;
}

function bench(...routes: readonly (Partial<TelemetryRoute> | undefined)[]): Bench {
  const [clock, sink] = [new HandClock(), new KeptSamples()];
  const create = samplesFactory({ clock, samples: sink, topics: topicsOf('fp/v1', 'pump-42') });
  const whole = routes.map((route) => route && { every: 5000, reduce: 'last' as const, fields: {}, ...route });
  return { clock, sink, intake: create('p1', whole) };
}

const power = (value: number): { name: string; value: number; unit: string } => ({ name: 'power', value, unit: 'W' });

test('the last value of each field, once, with the time at which it came', () => {
  const { clock, sink, intake } = bench({});
  intake.take(0, [power(498), { name: 'on', value: true, unit: undefined }]);
  clock.pass(1000);
  intake.take(0, [power(501)]);
  clock.pass(3999);
  assert.equal(sink.sent.length, 0);
  clock.pass(1);
  assert.deepEqual(sink.sent, [
    {
      topic: 'fp/v1/pump-42/up/telemetry/p1',
      body: {
        v: 1,
        time: '2026-11-23T16:00:00.000Z',
        clock: 'synced',
        sensor: 'p1',
        readings: [
          ['power', 501, 'W', 1000],
          ['on', true, null, 0],
        ],
      },
    },
  ]);
  clock.pass(60_000);
  assert.equal(sink.sent.length, 1);
  assert.equal(clock.timers, 0);
  assert.deepEqual(intake.counters, { published: 2, dropped: 0 });
});

test('the mean of the numbers; of anything else the last', () => {
  const { clock, sink, intake } = bench({ reduce: 'mean' });
  for (const value of [1, 2, 6]) intake.take(0, [power(value), { name: 'mode', value: `m${value}`, unit: undefined }]);
  clock.pass(5000);
  assert.deepEqual(sink.sent[0]?.body['readings'], [
    ['power', 3, 'W', 0],
    ['mode', 'm6', null, 0],
  ]);
});

test('every 0 sends each reading', () => {
  const { sink, intake } = bench({ every: 0 });
  intake.take(0, [power(1)]);
  intake.take(0, [power(2)]);
  assert.equal(sink.sent.length, 2);
});

test('what the sink does not take is dropped and counted, and never sent later', () => {
  const { clock, sink, intake } = bench({});
  sink.takes = false;
  intake.take(0, [power(1), { name: 'x', value: 2, unit: undefined }]);
  clock.pass(5000);
  sink.takes = true;
  clock.pass(5000);
  assert.equal(sink.sent.length, 0);
  assert.deepEqual(intake.counters, { published: 0, dropped: 2 });
});

test('the time of a sample is that of its oldest reading, also when the clock has jumped since', () => {
  const { clock, sink, intake } = bench({ reduce: 'last' });
  intake.take(0, [power(1)]);
  clock.pass(2000);
  intake.take(0, [{ name: 'x', value: 2, unit: undefined }]);
  clock.wallOffsetMs += 3_600_000;
  clock.pass(3000);
  const [sample] = sink.sent;
  assert.equal(sample?.body['time'], '2026-11-23T17:00:00.000Z');
  assert.deepEqual(sample?.body['readings'], [
    ['power', 1, 'W', 0],
    ['x', 2, null, 2000],
  ]);
});

test('routes have their own beat; a route that is no telemetry takes nothing', () => {
  const { clock, sink, intake } = bench(undefined, { every: 1000 }, { every: 3000 });
  intake.take(0, [power(1)]);
  intake.take(1, [power(1)]);
  intake.take(2, [power(1)]);
  clock.pass(3000);
  assert.equal(sink.sent.length, 2);
});

test('the beat is kept, whenever readings come, and every reading is in one sample or replaced by a later one', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 4000 }), { maxLength: 60 }), (gaps) => {
      const { clock, sink, intake } = bench({ every: 1000 });
      const startMs = clock.monotonicMs();
      const dueMs: number[] = [];
      const publish = sink.publish.bind(sink);
      sink.publish = (topic, payload): boolean => {
        dueMs.push(clock.monotonicMs() - startMs);
        return publish(topic, payload);
      };
      intake.take(0, [power(-1)]);
      for (const [index, gap] of gaps.entries()) {
        clock.pass(gap);
        intake.take(0, [power(index)]);
      }
      clock.pass(1000);
      for (const due of dueMs) assert.equal(due % 1000, 0);
      assert.equal(new Set(dueMs).size, dueMs.length);
      const values = sink.sent.map(({ body }) => (body['readings'] as [string, number][])[0]?.[1] ?? NaN);
      assert.deepEqual(
        values,
        [...new Set(values)].sort((left, right) => left - right),
      );
      assert.equal(values.at(-1), gaps.length - 1);
    }),
    { numRuns: 300 },
  );
});

test('a flood of readings holds one entry a field', () => {
  const { clock, sink, intake } = bench({});
  for (let at = 0; at < 200_000; at += 1) intake.take(0, [power(at)]);
  clock.pass(5000);
  assert.deepEqual(sink.sent[0]?.body['readings'], [['power', 199_999, 'W', 0]]);
});

test('stopped, it sends what waits and takes nothing more', () => {
  const { clock, sink, intake } = bench({});
  intake.take(0, [power(1)]);
  intake.stop();
  intake.take(0, [power(2)]);
  clock.pass(10_000);
  assert.equal(sink.sent.length, 1);
  assert.equal(clock.timers, 0);
});

test('several reductions go out under names of their own; a text has only its last', () => {
  const { clock, sink, intake } = bench({ reduce: ['min', 'max', 'mean', 'count'] });
  for (const value of [0.1, 0.2]) intake.take(0, [power(value), { name: 'mode', value: 'on', unit: undefined }]);
  clock.pass(5000);
  assert.deepEqual(sink.sent[0]?.body['readings'], [
    ['power.min', 0.1, 'W', 0],
    ['power.max', 0.2, 'W', 0],
    ['power.mean', 0.15, 'W', 0],
    ['power.count', 2, null, 0],
    ['mode.count', 2, null, 0],
  ]);
});

test('a change beyond the dead band goes out at once, and no change still goes out on the beat', () => {
  const { clock, sink, intake } = bench({ every: 60_000, onChange: { power: '10' } });
  const values = (): unknown[] =>
    sink.sent.map(({ body }) => (body['readings'] as unknown[][]).map(([, value]) => value));
  intake.take(0, [power(100)]);
  assert.deepEqual(values(), [[100]]);
  for (const value of [105, 109.9]) intake.take(0, [power(value)]);
  assert.deepEqual(values(), [[100]]);
  intake.take(0, [power(110)]);
  assert.deepEqual(values(), [[100], [110]]);
  intake.take(0, [power(111)]);
  clock.pass(60_000);
  assert.deepEqual(values(), [[100], [110], [111]]);
  clock.pass(600_000);
  assert.equal(sink.sent.length, 3);
});

test('what was sent on the beat is what a change is measured from', () => {
  const { clock, sink, intake } = bench({ every: 60_000, onChange: { power: '10' } });
  intake.take(0, [power(100)]);
  intake.take(0, [power(109)]);
  clock.pass(60_000);
  intake.take(0, [power(118)]);
  assert.equal(sink.sent.length, 2);
  intake.take(0, [power(119)]);
  assert.equal(sink.sent.length, 3);
});

test('the rate is capped: between two samples there is at least the gap, and the newest value is not lost', () => {
  const { clock, sink, intake } = bench({ every: 0, gap: 1000 });
  for (let at = 0; at < 50; at += 1) {
    intake.take(0, [power(at)]);
    clock.pass(100);
  }
  clock.pass(1000);
  assert.equal(sink.sent.length, 6);
  assert.deepEqual(sink.sent.at(-1)?.body['readings'], [['power', 49, 'W', 0]]);
  assert.equal(clock.timers, 0);
});

test('a change that the sink did not take is still a change at the next reading', () => {
  const { sink, intake } = bench({ every: 60_000, onChange: { power: '0' } });
  intake.take(0, [power(1)]);
  sink.takes = false;
  intake.take(0, [power(2)]);
  sink.takes = true;
  intake.take(0, [power(2)]);
  intake.take(0, [power(2)]);
  assert.deepEqual(
    sink.sent.map(({ body }) => body['readings']),
    [[['power', 1, 'W', 0]], [['power', 2, 'W', 0]]],
  );
  assert.deepEqual(intake.counters, { published: 2, dropped: 1 });
});
