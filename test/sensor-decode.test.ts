/** Decoders: what a frame means, exactly, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson } from '../src/platform/json.ts';
import type { DecodeConfig } from '../src/sensor/config.ts';
import { decoderOf } from '../src/sensor/decoder.ts';

function decode(config: DecodeConfig, frame: string | Buffer): Record<string, string> | string {
  const decoded = decoderOf(config, parseJson)(Buffer.from(frame as string));
  if (decoded.kind === 'invalid') return decoded.reason;
  return Object.fromEntries([...decoded.record].map(([name, { kind, text }]) => [name, `${kind} ${text}`]));
}

const json = { type: 'json' } as const;
const csv = (columns: string[], separator = ','): DecodeConfig => ({ type: 'csv', columns, separator });
const regex = (pattern: string): DecodeConfig => ({ type: 'regex', pattern });

test('json: numbers keep every digit, strings and switches their kind, null is absent', () => {
  assert.deepEqual(decode(json, '{"k":"sale","ml":1.10,"big":12345678901234567890.120,"on":true,"x":null}'), {
    k: 'string sale',
    ml: 'number 1.10',
    big: 'number 12345678901234567890.120',
    on: 'boolean true',
  });
});

test('json: nested values have dotted names, list items by index', () => {
  assert.deepEqual(decode(json, '{"a":{"b":{"c":1}},"l":[5,{"x":"y"}]}'), {
    'a.b.c': 'number 1',
    'l.0': 'number 5',
    'l.1.x': 'string y',
  });
});

test('json: an object of the frame can not pass for a number', () => {
  assert.deepEqual(decode(json, '{"a":{"isLosslessNumber":true,"value":"9"}}'), {
    'a.isLosslessNumber': 'boolean true',
    'a.value': 'string 9',
  });
  assert.deepEqual(decode(json, '{"__proto__":{"admin":true},"constructor":1}'), {
    '__proto__.admin': 'boolean true',
    constructor: 'number 1',
  });
});

test('json: what is not one object, or says two things, is refused', () => {
  for (const [frame, reason] of [
    ['[1]', 'not a JSON object'],
    ['5', 'not a JSON object'],
    ['{"a":1', 'not JSON'],
    ['{"a":1}}', 'not JSON'],
    ['{"a":1,"a":2}', 'not JSON'],
    ['{"a":NaN}', 'not JSON'],
    ['{"a.b":1,"a":{"b":2}}', 'two JSON values have the same dotted name'],
    [`${'{"a":'.repeat(9)}1${'}'.repeat(9)}`, 'JSON is nested deeper than 8 levels'],
    ['['.repeat(16_000), 'JSON is nested deeper than 8 levels'],
  ] as const) {
    assert.equal(decode(json, frame), reason, frame.slice(0, 40));
  }
  assert.equal(decode(json, Buffer.from('{"a":"\xe2"}', 'latin1')), 'not UTF-8');
  assert.notEqual(decode(json, `${'{"a":'.repeat(8)}1${'}'.repeat(8)}`), 'JSON is nested deeper than 8 levels');
  assert.deepEqual(decode(json, '{"a":"[[[[[[[[[[\\"[["}'), { a: 'string [[[[[[[[[["[[' });
});

test('json: every number that JSON can write comes out as it was written', () => {
  const written = fc
    .tuple(
      fc.constantFrom('', '-'),
      fc.bigInt({ min: 0n, max: 10n ** 30n }),
      fc.option(fc.integer({ min: 0, max: 999 })),
    )
    .map(
      ([sign, whole, fraction]) => `${sign}${whole}${fraction === null ? '' : `.${String(fraction).padStart(3, '0')}`}`,
    );
  fc.assert(
    fc.property(written, (text) => assert.deepEqual(decode(json, `{"n": ${text}}`), { n: `number ${text}` })),
    { numRuns: 500 },
  );
});

test('json: no bytes whatever make it throw', () => {
  const decoder = decoderOf(json, parseJson);
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    '\\u00',
    '\\',
    '1',
    '-',
    '.',
    'e',
    'true',
    ' ',
    '\u0000',
  );
  fc.assert(
    fc.property(fc.array(pieces), (parts) => void decoder(Buffer.from(parts.join('')))),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => void decoder(Buffer.from(bytes))),
    { numRuns: 1000 },
  );
});

test('csv: values by column, quotes as in RFC 4180', () => {
  assert.deepEqual(decode(csv(['a', 'b', 'c']), '1.50, x ,'), { a: 'text 1.50', b: 'text x', c: 'text ' });
  assert.deepEqual(decode(csv(['a', 'b'], ';'), '1,5;2'), { a: 'text 1,5', b: 'text 2' });
  assert.deepEqual(decode(csv(['a', 'b']), '"x,""y""",2'), { a: 'text x,"y"', b: 'text 2' });
  assert.equal(decode(csv(['a', 'b']), '1'), 'not 2 values');
  assert.equal(decode(csv(['a', 'b']), '1,2,3'), 'not 2 values');
  assert.equal(decode(csv(['a']), ','.repeat(16_000)), 'not 1 values');
  assert.equal(decode(csv(['a', 'b']), '"1,2'), 'a quote that does not end');
  assert.equal(decode(csv(['a']), '1\u0007'), 'control characters in the text');
});

test('regex: named groups; a group that took no part is absent; other alphabets than UTF-8 are Latin-1', () => {
  const scale = regex('^S (?<st>[SD]) +(?<w>-?[0-9.]+) (?<u>kg|g)(?<note> .+)?$');
  assert.deepEqual(decode(scale, 'S S   12.345 kg'), { st: 'text S', w: 'text 12.345', u: 'text kg' });
  assert.equal(decode(scale, 'S I'), 'does not match the pattern');
  assert.deepEqual(decode(regex('(?<t>[0-9]+)°C'), Buffer.from('21°C', 'latin1')), { t: 'text 21' });
  assert.equal(decode(scale, 'x'.repeat(1025)), 'longer than 1024 bytes');
});
