/** Rules of events: the first in each part of the day, on change, at rest; registers; and what survives a refusal or a restart. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../src/platform/clock.ts';
import { stateStore } from '../src/platform/state-store.ts';
import type { StateStore } from '../src/ports.ts';
import type { EventRoute, EventRouteField } from '../src/sensor/config.ts';
import { AT_REST, type EventMemory, judgeEvent, type RestState } from '../src/sensor/event-rule.ts';
import { EventRules } from '../src/sensor/event-rules.ts';
import { SensorMemory } from '../src/sensor/memory.ts';
import { type EventText, recallEvents } from '../src/sensor/recall.ts';
import { Registers } from '../src/sensor/registers.ts';
import type { Route } from '../src/sensor/route.ts';
import { HandClock, keptMemory, pumpConfig } from './sensor-rig.ts';
import { keptLog, ttySpec, until } from './serial-rig.ts';

const MINUTE = 60_000;
const NOON = Date.UTC(2026, 10, 25, 12, 0, 0);

function routeOf(rule: Partial<EventRoute>, field: Partial<EventRouteField> = {}): EventRoute {
  return { stream: 's', type: 't', fields: { w: { from: 'w', as: 'decimal', ...field } }, ...rule };
}

/** Lets readings go by one after the other; each event is accepted. Gives those that became events. */
function events(route: EventRoute, readings: readonly (readonly [atMs: number, value: string])[]): string[] {
  let memory: EventMemory | undefined;
  let rest: RestState = AT_REST;
  const made: string[] = [];
  for (const [atMs, value] of readings) {
    const verdict = judgeEvent(route, memory, rest, { w: { value, quality: 'good' } }, atMs);
    rest = verdict.rest;
    if (verdict.data === undefined) continue;
    memory = verdict.memory;
    made.push(`${value}${verdict.data['w']?.quality === 'suspect' ? '?' : ''}`);
  }
  return made;
}

test('without a rule each record is an event', () => {
  assert.deepEqual(
    events(
      routeOf({}),
      [1, 2, 3].map((at) => [NOON + at, 'x'] as const),
    ),
    ['x', 'x', 'x'],
  );
});

test('every 15 minutes: the first reading at or after :00, :15, :30 and :45, whenever readings come', () => {
  const at = (minute: number, value = String(minute)): readonly [number, string] => [NOON + minute * MINUTE, value];
  const made = events(
    routeOf({ every: 15 * MINUTE }),
    [1, 14.99, 15, 15.1, 29, 31, 44, 61, 62].map((m) => at(m)),
  );
  assert.deepEqual(made, ['1', '15', '31', '61']);
});

test('a clock set back a little makes no second event of a part of the day; set back by years, events go on', () => {
  const rule = routeOf({ every: 15 * MINUTE });
  const border = NOON + 15 * MINUTE;
  assert.deepEqual(
    events(rule, [
      [border + 10, 'a'],
      [border - 500, 'b'],
      [border + 500, 'c'],
    ]),
    ['a'],
  );
  assert.deepEqual(
    events(rule, [
      [NOON, 'a'],
      [5 * MINUTE, 'b'],
      [16 * MINUTE, 'c'],
      [Date.UTC(2100, 0, 1), 'd'],
      [NOON + 16 * MINUTE, 'e'],
    ]),
    ['a', 'b', 'c', 'd', 'e'],
  );
});

test('on change: measured from the last event, not from the last reading, and exactly', () => {
  const made = events(
    routeOf({ onChange: { field: 'w', by: '0.020' } }),
    ['1.000', '1.010', '1.019', '1.020', '1.039', '1.000', '1.000'].map((value, at) => [NOON + at, value] as const),
  );
  assert.deepEqual(made, ['1.000', '1.020', '1.000']);
  // 0.3 - 0.1 is less than 0.2 in binary floats.
  const small = ['0.1', '0.3'].map((value) => [NOON, value] as const);
  assert.deepEqual(events(routeOf({ onChange: { field: 'w', by: '0.2' } }), small), ['0.1', '0.3']);
});

test('any change of a text is a change; the same number written otherwise is none', () => {
  const change = routeOf({ onChange: { field: 'w', by: '0' } });
  const run = (values: readonly string[]): string[] =>
    events(
      change,
      values.map((value) => [NOON, value] as const),
    );
  assert.deepEqual(run(['open', 'open', 'closed', 'open']), ['open', 'closed', 'open']);
  assert.deepEqual(run(['1.0', '1.00', '1.000', '1.001']), ['1.0', '1.001']);
});

test('at rest: once when it rests, again only after it has moved away', () => {
  const rule = routeOf({ stable: { field: 'w', within: '0.002', frames: 3 } });
  const run = (values: readonly string[]): string[] =>
    events(
      rule,
      values.map((value) => [NOON, value] as const),
    );
  assert.deepEqual(run(['1.0', '1.1', '1.2', '1.200', '1.201', '1.200', '1.200']), ['1.201']);
  assert.deepEqual(run(['5', '5', '5', '0', '0', '5', '5', '5', '5']), ['5', '5']);
  assert.deepEqual(run(['1', '2', '3', '4', '5', '6']), []);
});

test('a register that falls or rises too far is flagged once, kept, and counts from then on', () => {
  const made = events(
    routeOf({}, { monotonic: true, stepMax: '10' }),
    ['100', '105', '104', '106', '117', '118', '3', '4'].map((value, at) => [NOON + at, value] as const),
  );
  assert.deepEqual(made, ['100', '105', '104?', '106', '117?', '118', '3?', '4']);
});

test('with a rule, a register is measured from event to event: a jump between two of them is not missed', () => {
  const made = events(routeOf({ every: 15 * MINUTE }, { monotonic: true }), [
    [NOON, '100'],
    [NOON + MINUTE, '50'],
    [NOON + 2 * MINUTE, '51'],
    [NOON + 15 * MINUTE, '52'],
  ]);
  assert.deepEqual(made, ['100', '52?']);
});

test('whatever comes, the rules do not throw and forget nothing that they need', () => {
  const value = fc.oneof(fc.constantFrom('1', '1.5', '-2', '1e3'), fc.string(), fc.integer().map(String));
  const rule = fc.constantFrom<Partial<EventRoute>>(
    {},
    { every: MINUTE },
    { onChange: { field: 'w', by: '0.5' } },
    { stable: { field: 'w', within: '0.5', frames: 2 } },
  );
  fc.assert(
    fc.property(rule, fc.array(fc.tuple(fc.integer(), value)), (partial, readings) => {
      const made = events(routeOf(partial, { monotonic: true }), readings);
      assert.ok(made.length <= readings.length);
      if (readings.length > 0 && partial.stable === undefined) assert.ok(made.length > 0);
    }),
  );
});

const sensorRoute = (event: EventRoute): Route => ({
  index: 0,
  when: {},
  telemetry: undefined,
  event,
  answer: undefined,
});

test('a refused event did not happen: the next reading makes it again', () => {
  const rules = new EventRules(keptMemory());
  const route = sensorRoute(routeOf({ every: 15 * MINUTE }));
  const judge = (value: string): ReturnType<EventRules['judge']> =>
    rules.judge(route, { w: { value, quality: 'good' } }, NOON);
  const first = judge('1');
  assert.equal(judge('2'), undefined, 'while the ledger writes the first');
  first?.settle(false);
  const again = judge('3');
  assert.ok(again);
  again.settle(true);
  assert.equal(judge('4'), undefined);
});

test('a refused event at rest is made again without a move', () => {
  const rules = new EventRules(keptMemory());
  const route = sensorRoute(routeOf({ stable: { field: 'w', within: '0', frames: 2 } }));
  const judge = (): ReturnType<EventRules['judge']> => rules.judge(route, { w: { value: '5', quality: 'good' } }, NOON);
  assert.equal(judge(), undefined);
  judge()?.settle(false);
  const again = judge();
  assert.ok(again);
  again.settle(true);
  assert.equal(judge(), undefined);
});

test('an event that the ledger still writes is remembered by this process alone', () => {
  const kept = new Map<string, EventMemory>();
  const rules = new EventRules(keptMemory(kept));
  const judged = rules.judge(sensorRoute(routeOf({ every: MINUTE })), { w: { value: '1', quality: 'good' } }, NOON);
  assert.equal(kept.size, 0, 'a power cut would take the event, and the next reading of the minute makes it again');
  judged?.settle(true);
  assert.deepEqual([...kept.values()], [{ slot: NOON / MINUTE, values: {} }]);
});

test('the newest events say what was accepted since the document was written', () => {
  const kept = new Map<string, EventMemory>([['0/s/t', { slot: 1, values: { w: '1.0' } }]]);
  const at = (minute: number): string => new Date(NOON + minute * MINUTE).toISOString();
  const event = (sensor: string, type: string, time: string, value: string): EventText => ({
    sensor,
    stream: 's',
    type,
    time,
    data: { w: { value, quality: 'good' } },
  });
  const route = { event: routeOf({ every: MINUTE }, { monotonic: true }) };
  const config = { ...pumpConfig(ttySpec('/d')), id: 'p1', routes: [route] };
  const newest = [
    event('p1', 't', at(1), '2.0'),
    event('p1', 't', at(2), '3.0'),
    event('p2', 't', at(3), '4.0'),
    event('p1', 'other', at(4), '5.0'),
  ];
  recallEvents(config, newest, keptMemory(kept));
  assert.deepEqual([...kept], [['0/s/t', { slot: NOON / MINUTE + 2, values: { w: '3.0' } }]]);
  // Two routes that their events do not tell apart: what was written counts.
  recallEvents({ ...config, routes: [route, route] }, [event('p1', 't', at(9), '9.0')], keptMemory(kept));
  assert.equal(kept.get('0/s/t')?.values['w'], '3.0');
});

test('what rules remember is there after a restart, and rubbish in the file is nothing', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'fieldpost-memory-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const log = keptLog();
  const open = async (): Promise<SensorMemory> => {
    const memory = new SensorMemory({ clock: systemClock, log, state: stateStore(directory, log) }, ['p1']);
    await memory.open();
    return memory;
  };
  const before = await open();
  before.set('p1', '0/meter/reading', { slot: 7, values: { w: '1.5' } });
  await before.stop();
  const after = await open();
  assert.deepEqual(after.of('p1', '0/meter/reading'), { slot: 7, values: { w: '1.5' } });
  assert.equal(after.of('p2', '0/meter/reading'), undefined);
  await stateStore(directory, log)
    .open<unknown>('sensor-memory', (found) => found, {})
    .then((document) => document.write({ p1: { a: { slot: 'x', values: { w: 5 } }, b: 1 } }));
  const broken = await open();
  assert.deepEqual(broken.of('p1', 'a'), { values: {} });
  assert.equal(broken.of('p1', 'b'), undefined);
});

test('telemetry of a register that falls is left out once', () => {
  const registers = new Registers();
  const telemetry = { every: 0, reduce: 'last' as const, fields: { w: { from: 'w', monotonic: true } } };
  const sift = (value: number): boolean =>
    registers.sift(0, telemetry, [{ name: 'w', value, unit: undefined }]).length > 0;
  assert.deepEqual([5, 6, 2, 3].map(sift), [true, true, false, true]);
});

test('two events refused, the second made while the ledger wrote the first: neither happened', () => {
  const rules = new EventRules(keptMemory());
  const route = sensorRoute(routeOf({ onChange: { field: 'w', by: '0' } }));
  const judge = (value: string): ReturnType<EventRules['judge']> =>
    rules.judge(route, { w: { value, quality: 'good' } }, NOON);
  judge('0')?.settle(true);
  const [first, second] = [judge('1'), judge('2')];
  first?.settle(false);
  assert.equal(judge('2'), undefined, 'the second is still being written');
  second?.settle(false);
  assert.equal(judge('0'), undefined);
  assert.ok(judge('1'));
});

test('an event refused at once leaves the one before it, which the ledger still writes', () => {
  const rules = new EventRules(keptMemory());
  const route = sensorRoute(routeOf({ onChange: { field: 'w', by: '0' } }));
  const judge = (value: string): ReturnType<EventRules['judge']> =>
    rules.judge(route, { w: { value, quality: 'good' } }, NOON);
  const first = judge('1');
  judge('2')?.settle(false);
  assert.equal(judge('1'), undefined);
  first?.settle(true);
  assert.equal(judge('1'), undefined);
});

/** A store whose writes fail while the test says so. */
function handStore(): { readonly store: StateStore; readonly written: unknown[]; fails: boolean } {
  const written: unknown[] = [];
  const hand = {
    written,
    fails: false,
    store: {
      open: <Value>(_: string, __: unknown, value: Value) =>
        Promise.resolve({
          value,
          write: (next: Value): Promise<void> => {
            if (hand.fails) return Promise.reject(new Error('EIO'));
            written.push(next);
            return Promise.resolve();
          },
        }),
    },
  };
  return hand;
}

test('what could not be written is written at the stop, and after the stop nothing waits any more', async () => {
  const [clock, log, hand] = [new HandClock(), [] as Parameters<typeof keptLog>[0] & object, handStore()];
  const memory = new SensorMemory({ clock, log: keptLog(log), state: hand.store }, ['p1']);
  await memory.open();
  hand.fails = true;
  memory.set('p1', '0/s/t', { slot: 7, values: {} });
  clock.pass(1000);
  await until(() => log.length === 1, 'the failure');
  hand.fails = false;
  await memory.stop();
  assert.deepEqual(hand.written, [{ p1: { '0/s/t': { slot: 7, values: {} } } }]);
  memory.set('p1', '0/s/t', { slot: 8, values: {} });
  assert.equal(clock.timers, 0);
});
