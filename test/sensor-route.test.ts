/** Routes: what a frame becomes, what is out of range, what makes no event, what may stand in an answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DeviceConfig } from '../src/config/schema.ts';
import { parseJson } from '../src/platform/json.ts';
import { parseAnswer, renderAnswer } from '../src/sensor/answer.ts';
import type { EventRoute, EventRouteField, RouteConfig, SensorConfig } from '../src/sensor/config.ts';
import { decoderOf } from '../src/sensor/decoder.ts';
import { type Outcome, planFrame, routesOf } from '../src/sensor/route.ts';

/** The configuration's own type fits: checked by the compiler. */
export const fits = (sensor: DeviceConfig['sensors'][number]): SensorConfig => sensor;

function plan(routes: readonly RouteConfig[], frame: object | string): readonly Outcome[] {
  const config: SensorConfig = {
    id: 'pump',
    port: { kind: 'tcp', host: '127.0.0.1', port: 1 },
    framing: { type: 'line', delimiter: '\n', max: 512 },
    decode: { type: 'json' },
    routes,
  };
  const bytes = Buffer.from(typeof frame === 'string' ? frame : JSON.stringify(frame));
  const decoded = decoderOf(config.decode, parseJson)(bytes);
  assert.ok(decoded.kind === 'record');
  return planFrame('pump', routesOf(config), decoded.record, bytes);
}

const sale: EventRoute = {
  stream: 'sale',
  type: 'delivery',
  dedupe: { epoch: 'boot', seq: 'seq' },
  fields: { volume: { from: 'ml', unit: 'l', scale: '0.001', as: 'decimal', min: 0, max: 100 } },
};
const saleRoute: RouteConfig = { when: { k: 'sale' }, event: sale, answer: { write: 'ACK {boot} {seq}\n' } };
const good = '{"k":"sale","boot":"a1","seq":17,"ml":1010}';

test("an event has exact values, the sensor's own number, the raw frame and its answer", () => {
  assert.deepEqual(plan([saleRoute], good), [
    {
      kind: 'event',
      route: 0,
      draft: {
        sensor: 'pump',
        stream: 'sale',
        type: 'delivery',
        data: { volume: { value: '1.010', unit: 'l', quality: 'good' } },
        source: { epoch: 'a1', seq: '17' },
        raw: Buffer.from(good),
      },
      answer: Buffer.from('ACK a1 17\n'),
    },
  ]);
});

test('an event out of range is kept and marked as suspect', () => {
  for (const [ml, quality] of [
    ['100000', 'good'],
    ['100000.001', 'suspect'],
    ['-1', 'suspect'],
    ['0', 'good'],
  ]) {
    const [outcome] = plan([saleRoute], `{"k":"sale","boot":"a1","seq":17,"ml":${ml}}`);
    assert.ok(outcome?.kind === 'event');
    assert.equal(outcome.draft.data['volume']?.quality, quality, ml);
  }
});

test('a frame that lacks a field, its number, or what the answer needs makes no event', () => {
  for (const [frame, reason] of [
    ['{"k":"sale","boot":"a1","seq":17}', 'ml is missing'],
    ['{"k":"sale","boot":"a1","seq":17,"ml":"many"}', 'ml is not what volume says it is'],
    ['{"k":"sale","boot":"a1","seq":17,"ml":null}', 'ml is missing'],
    ['{"k":"sale","boot":"a1","ml":5}', 'seq is missing'],
    ['{"k":"sale","seq":17,"ml":5}', 'boot is missing'],
    ['{"k":"sale","boot":"a1","seq":-1,"ml":5}', 'seq is not a whole number'],
    ['{"k":"sale","boot":"a1","seq":1.5,"ml":5}', 'seq is not a whole number'],
    ['{"k":"sale","boot":"a1","seq":99999999999999999999,"ml":5}', 'seq is not a whole number'],
    ['{"k":"sale","boot":"","seq":1,"ml":5}', 'boot is not 1 to 64 characters without control characters'],
    ['{"k":"sale","boot":"a\\u0000","seq":1,"ml":5}', 'boot is not 1 to 64 characters without control characters'],
    ['{"k":"sale","boot":"\u00e9","seq":1,"ml":5}', 'boot can not stand in an answer'],
  ]) {
    assert.deepEqual(plan([saleRoute], frame ?? ''), [{ kind: 'no-event', route: 0, reason }]);
  }
});

test('every route that fits takes the frame; one that does not leaves it', () => {
  const telemetry = {
    every: 1000,
    reduce: 'last',
    fields: { temp: { from: 't', unit: 'Cel', min: -40, max: 85 } },
  } as const;
  const routes: readonly RouteConfig[] = [
    { when: { k: 't' }, telemetry },
    saleRoute,
    { when: {}, telemetry: { every: 0, reduce: 'last', fields: { on: { from: 'on' } } } },
  ];
  assert.deepEqual(
    plan(routes, '{"k":"t","t":21.50,"on":false}').map((outcome) => outcome.kind === 'readings' && outcome.readings),
    [[{ name: 'temp', value: 21.5, unit: 'Cel' }], [{ name: 'on', value: false, unit: undefined }]],
  );
  assert.equal(plan([saleRoute], '{"k":"other"}').length, 0);
  const [hot] = plan(routes, '{"k":"t","t":85.01}');
  assert.deepEqual(hot, { kind: 'readings', route: 0, readings: [], outOfRange: 1, unusable: 0 });
  const [odd] = plan(routes, '{"k":"t","t":"warm"}');
  assert.deepEqual(odd, { kind: 'readings', route: 0, readings: [], outOfRange: 0, unusable: 1 });
});

test('when compares texts as texts, numbers by value, switches as switches', () => {
  const telemetry = { every: 0, reduce: 'last', fields: { x: { from: 'x' } } } as const;
  const takes = (when: Record<string, string | number | boolean>, frame: string): boolean =>
    plan([{ when, telemetry }], frame).length > 0;
  assert.ok(takes({ 'a.b': 5 }, '{"a":{"b":5.0}}'));
  assert.ok(takes({ a: true, b: 'x' }, '{"a":true,"b":"x"}'));
  assert.ok(!takes({ a: true, b: 'x' }, '{"a":true}'));
  assert.ok(!takes({ a: '5' }, '{"a":5}'));
  assert.ok(!takes({ a: 5 }, '{"a":"5"}'));
  assert.ok(!takes({ a: true }, '{"a":"true"}'));
  assert.ok(!takes({ toString: 'x' }, '{"a":1}'));
});

test('the kinds of event values', () => {
  const value = (field: Partial<EventRouteField>, json: string): unknown => {
    const fields = { x: { as: 'decimal', ...field, from: 'x' } } as const;
    const [outcome] = plan([{ event: { stream: 's', type: 't', fields } }], `{"x":${json}}`);
    return outcome?.kind === 'event' ? outcome.draft.data['x'] : outcome?.kind;
  };
  const isGood = (it: unknown): object => ({ value: it, quality: 'good' });
  assert.deepEqual(value({}, '"005779.835"'), isGood('005779.835'));
  assert.deepEqual(value({}, '12345678901234567890.10'), isGood('12345678901234567890.10'));
  assert.deepEqual(value({ as: 'integer' }, '42'), isGood(42));
  assert.deepEqual(value({ as: 'integer' }, '42.0'), isGood(42));
  assert.deepEqual(value({ as: 'integer', scale: '0.5' }, '84'), isGood(42));
  assert.deepEqual(value({ as: 'integer' }, '42.5'), 'no-event');
  assert.deepEqual(value({ as: 'integer' }, '9007199254740993'), { value: '9007199254740993', quality: 'suspect' });
  assert.deepEqual(value({ as: 'string' }, '1.10'), isGood('1.10'));
  assert.deepEqual(value({ as: 'boolean' }, 'true'), isGood(true));
  assert.deepEqual(value({ as: 'boolean' }, '0'), isGood(false));
  assert.deepEqual(value({ as: 'boolean' }, '"yes"'), 'no-event');
  assert.deepEqual(value({}, 'true'), 'no-event');
});

test('an answer holds only what the template and plain values say', () => {
  const render = (write: string, values: Record<string, string>): string => {
    const record = new Map(Object.entries(values).map(([name, text]) => [name, { kind: 'string', text } as const]));
    const rendered = renderAnswer(parseAnswer(write, ';'), record);
    return rendered.kind === 'answer' ? rendered.bytes.toString() : rendered.reason;
  };
  assert.equal(render('{"ack":{n},"s":"{a.b}"}\r\n', { n: '5', 'a.b': 'x' }), '{"ack":5,"s":"x"}\r\n');
  assert.equal(render('{not a name} {}', {}), '{not a name} {}');
  assert.equal(render('ACK {n}', {}), 'n is missing for the answer');
  for (const text of ['a\nDISPENSE', 'a\u0000', 'a;b', 'x'.repeat(65), '\u2028', '\u00e9']) {
    assert.equal(render('ACK {n}\n', { n: text }), 'n can not stand in an answer');
  }
  assert.equal(render('{n}', { n: '{m}', m: 'second round' }), '{m}');
});

test('no value off the line can bring a control character or a second line into an answer', () => {
  const template = parseAnswer('ACK {v}\n', '\n');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const rendered = renderAnswer(template, new Map([['v', { kind: 'string', text }]]));
      if (rendered.kind === 'answer') assert.match(rendered.bytes.toString('latin1'), /^ACK [\x20-\x7e]*\n$/);
    }),
    { numRuns: 2000 },
  );
});
