/** Regular expressions of device.json: those that some frame could hold for seconds are refused before any frame comes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { groupNames, patternFault, REGEX_FRAME_BYTES_MAX } from '../src/config/pattern.ts';
import { parseDeviceValue } from '../src/config/parse.ts';

/** What real lines need. */
const SOUND: readonly string[] = [
  '^S S\\s+(?<weight>[\\d.]+)\\s*(?<unit>\\w+)$',
  '(?<a>\\d+)\\s+(?<b>\\d+)',
  '^(?<a>[^,]*),(?<b>[^,]*),(?<c>[^,]*)$',
  '^T=(?<t>-?\\d+(?:\\.\\d+)?);H=(?<h>\\d+)$',
  '^(?<key>[a-z]{1,8}):(?<value>.*)$',
  '^(?<date>\\d{4}-\\d{2}-\\d{2}) (?:OK|FAIL) (?<id>(?:[0-9A-F]{2}){6})$',
  '^\\$GPRMC,(?<time>[\\d.]*),(?<state>[AV]),',
];

const REFUSED: readonly (readonly [pattern: string, why: RegExp])[] = [
  ['(?<a>', /compiles/],
  ['^\\d+$', /named groups/],
  ['^[(?<a>]+$', /named groups/],
  ['^(?<a>(?:a+)+)$', /repeated group/],
  ['^(?<a>a+)*$', /repeated group/],
  ['^(?<a>(?:a|aa)+)$', /repeated group/],
  ['^(?<a>(?:a?){30})$', /repeated group/],
  ['^(?<a>(?:(?:x{1,9})){2,})$', /repeated group/],
  ['^(?<a>.)(?=b)', /look-ahead/],
  ['^(?<!b)(?<a>.)', /look-ahead/],
  ['^(?<a>.+)\\1$', /back references/],
  ['^(?<a>.+)\\k<a>$', /back references/],
  ['(?<a>.*),(?<b>.*)', /fewer repeats/],
  ['^(?<a>.*),(?<b>.*),(?<c>.*)$', /fewer repeats/],
  ['^(?<a>\\d*\\d*\\d*\\d*)x', /fewer repeats/],
];

for (const pattern of SOUND) {
  test(`taken: ${pattern}`, () => {
    assert.equal(patternFault(pattern), undefined);
  });
}

for (const [pattern, why] of REFUSED) {
  test(`refused: ${pattern}`, () => {
    assert.match(patternFault(pattern) ?? 'taken', why);
  });
}

test('names of groups are found, and not in classes or after a backslash', () => {
  assert.deepEqual(groupNames('^(?<a>x)[(?<b>]\\(?<c>(?<d>y)'), ['a', 'd']);
});

test('a regex decoder gets no frames that are longer than its bound', () => {
  const sensor = {
    id: 's',
    port: { path: '/d' },
    framing: { type: 'line', max: REGEX_FRAME_BYTES_MAX + 1 },
    decode: { type: 'regex', pattern: '^(?<a>.*)$' },
    routes: [{ telemetry: { fields: { a: { from: 'a' } } } }],
  };
  const result = parseDeviceValue({
    device: { id: 'd' },
    broker: { urls: ['mqtt://localhost'] },
    ledger: { dir: '/l' },
    sensors: [sensor],
  });
  assert.ok(!result.ok);
  assert.deepEqual(result.problems, [
    { pointer: '/sensors/0/framing/max', found: '1025', expected: 'at most 1024 with a regex decoder' },
  ]);
});

test('no pattern that is taken holds a frame of the largest size for long', () => {
  const atom = fc.constantFrom('a', '.', '\\d', '[ab]', '[^,]', ',', '(?:ab)', '(?:a+b)', 'b?');
  const repeat = fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}');
  const pattern = fc
    .tuple(fc.boolean(), fc.array(fc.tuple(atom, repeat), { minLength: 1, maxLength: 7 }))
    .map(
      ([anchored, parts]) =>
        `${anchored ? '^' : ''}(?<a>${parts.map(([each, times]) => (each.endsWith('?') ? each : each + times)).join('')})!$`,
    );
  const frames = ['a', 'ab', ',', 'a,', '1'].map((unit) =>
    unit.repeat(REGEX_FRAME_BYTES_MAX).slice(0, REGEX_FRAME_BYTES_MAX),
  );
  let taken = 0;
  fc.assert(
    fc.property(pattern, (source) => {
      if (patternFault(source) !== undefined) return;
      taken += 1;
      const compiled = new RegExp(source);
      for (const frame of frames) {
        const startedMs = performance.now();
        compiled.exec(frame);
        const tookMs = performance.now() - startedMs;
        assert.ok(tookMs < 1000, `${source} took ${tookMs} ms`);
      }
    }),
    { numRuns: 150 },
  );
  assert.ok(taken > 0);
});
