/** The text of device.json: places of mistakes, repeated and reserved keys, and agreement with JSON.parse on the rest. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJsonText } from '../src/json-text.ts';
import { nearest } from '../src/config/nearest.ts';
import { parseDeviceConfig, parseDeviceConfigBytes } from '../src/config/parse.ts';
import { problemText } from '../src/config/problem.ts';
import { durationText, parseDuration, parseSize, sizeText } from '../src/config/units.ts';

function told(text: string): string {
  const result = parseDeviceConfig(text);
  assert.ok(!result.ok);
  return result.problems.map((problem) => problemText('device.json', problem)).join('\n');
}

function toldOfBytes(bytes: Uint8Array): string {
  const result = parseDeviceConfigBytes(bytes);
  assert.ok(!result.ok);
  return result.problems.map((problem) => problemText('device.json', problem)).join('\n');
}

test('a mistake of syntax is told with its line and column and what was expected', () => {
  assert.equal(told('{\n  "device" {}\n}'), 'device.json:2:12: must be ":", got "{"');
  assert.equal(told('{"a": 1 "b": 2}'), 'device.json:1:9: must be "," or "}", got "\\""');
  assert.equal(told('{"a": [1, 2}'), 'device.json:1:12 /a: must be "," or "]", got "}"');
  assert.equal(told('{"a": [1, ]}'), 'device.json:1:11 /a/1: must be a JSON value, got "]"');
  assert.equal(told('{"a": 1,}'), 'device.json:1:9: must be a key in double quotes, got "}"');
  assert.equal(told("{'a': 1}"), 'device.json:1:2: must be a key in double quotes, got "\'"');
  assert.equal(told('{"a": tru}'), 'device.json:1:7 /a: must be a JSON value, got "tru"');
  assert.equal(told('{"a": 1'), 'device.json:1:8: must be "," or "}", got the end of the text');
  assert.equal(told('{} x'), 'device.json:1:4: must be the end of the text, got "x"');
  assert.equal(told('{"a": 01}'), 'device.json:1:8: must be "," or "}", got "1"');
  assert.equal(told('{"a": 1e999}'), 'device.json:1:7 /a: must be a number of at most 1.7e308, got 1e999');
  assert.match(told('{"a": "x\ny"}'), /^device\.json:1:7 \/a: must be a text, closed on its line/);
  assert.match(told('{"a": "\\x"}'), /valid escapes/);
  assert.match(told('{"a": "\\ud800"}'), /valid Unicode, got half of a surrogate pair/);
  assert.match(told('// note\n{}'), /^device\.json:1:1: must be a JSON value/);
});

test('the same key twice in one object is refused, where JSON.parse would silently take the last', () => {
  assert.equal(
    told('{"broker": {"urls": ["a"], "urls": ["b"]}}'),
    'device.json:1:28 /broker: must be a key that stands once in its object, got "urls"',
  );
  assert.match(told('{"a": 1, "\\u0061": 2}'), /stands once/);
});

test('keys that mean something to JavaScript are refused and change nothing', () => {
  for (const key of ['__proto__', 'constructor', 'prototype']) {
    assert.match(told(`{"device": {"${key}": {"id": "x"}}}`), /a key that JavaScript does not reserve/);
  }
  assert.equal(({} as Record<string, unknown>)['id'], undefined);
});

test('a file that nests for ever is refused and does not exhaust the stack', () => {
  assert.match(told('['.repeat(100_000)), /nested at most 32 deep/);
  assert.match(told('{"a":'.repeat(100_000)), /nested at most 32 deep/);
});

test('an empty file, a byte order mark and bytes that are not UTF-8 are told as what they are', () => {
  assert.equal(told(' \n'), 'device.json: must be a JSON object, got an empty file');
  assert.equal(toldOfBytes(Buffer.alloc(0)), 'device.json: must be a JSON object, got an empty file');
  const marked = Buffer.from('\ufeff{}');
  assert.equal(
    toldOfBytes(marked),
    'device.json: must be UTF-8 without a byte order mark, got a byte order mark (EF BB BF)',
  );
  assert.equal(
    toldOfBytes(Buffer.from('7b22ff227d', 'hex')),
    'device.json: must be UTF-8 text, got bytes that are not UTF-8',
  );
  assert.match(toldOfBytes(Buffer.from('{}', 'utf16le')), /a key in double quotes/);
  assert.equal(told('[]'), 'device.json: must be an object, got an empty list');
  assert.equal(told('3'), 'device.json: must be an object, got 3');
});

test('what JSON.parse makes of a text, this parser makes of it too', () => {
  const reserved = /__proto__|constructor|prototype/;
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), fc.nat(4), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      fc.pre(!reserved.test(text) && !/\\ud[89a-f]/i.test(text));
      const expected: unknown = JSON.parse(text);
      assert.deepEqual(parseJsonText(text), { kind: 'value', value: expected });
    }),
  );
});

test('what JSON.parse refuses, this parser refuses too', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[[\]{}",:0-9a-z\\. -]{0,30}$/), (text) => {
      let taken = true;
      try {
        JSON.parse(text);
      } catch {
        taken = false;
      }
      if (!taken) assert.equal(parseJsonText(text).kind, 'mistake');
    }),
    { numRuns: 2000 },
  );
});

test('durations and sizes are one whole number and one unit', () => {
  assert.deepEqual(['500ms', '5s', '15m', '1h', '7d'].map(parseDuration), [500, 5000, 900_000, 3_600_000, 604_800_000]);
  assert.deepEqual(['100B', '512KiB', '64MiB', '1GiB'].map(parseSize), [100, 524_288, 67_108_864, 1_073_741_824]);
  for (const text of ['', '5', 's', '05s', '5 s', '-5s', '5S', '1.5s', '5s ', '5s\n', '9999999999s', '٥s']) {
    assert.equal(parseDuration(text), undefined, JSON.stringify(text));
  }
  for (const text of ['64MB', '64mib', '64', '1e3B', 'MiB']) assert.equal(parseSize(text), undefined, text);
});

test('a duration or size that is written can be read back', () => {
  fc.assert(fc.property(fc.nat(900_000_000), (ms) => assert.equal(parseDuration(durationText(ms)), ms)));
  fc.assert(fc.property(fc.nat(900_000_000), (bytes) => assert.equal(parseSize(sizeText(bytes)), bytes)));
});

test('the nearest word is one that could have been meant', () => {
  const known = ['baudRate', 'dataBits', 'parity', 'id', 'urls'];
  const pairs = [
    ['baudrate', 'baudRate'],
    ['buadRate', 'baudRate'],
    ['parity_', 'parity'],
    ['url', 'urls'],
    ['x', undefined],
  ] as const;
  for (const [word, meant] of pairs) assert.equal(nearest(word, known), meant, word);
  assert.equal(nearest('quite something else', known), undefined);
  assert.equal(nearest('u'.repeat(1_000_000), known), undefined);
});
