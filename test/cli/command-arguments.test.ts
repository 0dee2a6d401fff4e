/** What a person writes behind `fieldpost command`: arguments, the number of a signature, and how an answer is shown. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readArguments } from '../../src/cli/command-arguments.ts';
import { nextNumber } from '../../src/cli/command-signature.ts';
import { responseText } from '../../src/cli/command-text.ts';
import { waitOf } from '../../src/cli/command-wait.ts';
import { temporaryDirectory } from '../rig/temp.ts';

test('a value is JSON where it is JSON, text where it is not, and a file where it says so', async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, 'patch.json');
  writeFileSync(file, '{"broker":{"keepAlive":"30s"}}\n');
  writeFileSync(join(directory, 'cert.pem'), '-----BEGIN\n');
  assert.deepEqual(
    readArguments(['for=10m', 'seq=5', 'on=true', 'none=null', 'list=[1,"a"]', 'id=007', 'empty=', 'eq=a=b']),
    {
      for: '10m',
      seq: 5,
      on: true,
      none: null,
      list: [1, 'a'],
      id: '007',
      empty: '',
      eq: 'a=b',
    },
  );
  assert.deepEqual(readArguments(['a.b.c=1', 'a.b.d="x"', 'a.e={"f":2}', 'a.e.g=3', 'at="@x"']), {
    a: { b: { c: 1, d: 'x' }, e: { f: 2, g: 3 } },
    at: '@x',
  });
  assert.deepEqual(readArguments([`patch=@${file}`, `pem=@${join(directory, 'cert.pem')}`]), {
    patch: { broker: { keepAlive: '30s' } },
    pem: '-----BEGIN\n',
  });
});

test('an argument that can not be meant is refused by its name, and nothing of it reaches the prototype', async (t) => {
  const directory = await temporaryDirectory(t);
  writeFileSync(join(directory, 'large'), 'x'.repeat(70_000));
  const wrong: readonly (readonly [RegExp, readonly string[]])[] = [
    [/^"for": must be key=value/, ['for']],
    [/^"=5": must be key=value/, ['=5']],
    [/^"a b=5": must be key=value/, ['a b=5']],
    [/^"__proto__.x=1": must be key=value/, ['__proto__.x=1']],
    [/^"a.constructor=1": must be key=value/, ['a.constructor=1']],
    [/^"a=2": must be a key that was not given before/, ['a=1', 'a=2']],
    [/^"a.b=2": must be within a, which has a value already/, ['a=1', 'a.b=2']],
    [/^"a=2": must be a key that was not given before/, ['a.b=1', 'a=2']],
    [/must be a readable file/, [`a=@${directory}/none`]],
    [/must be a file of at most 65536 bytes, and this one has 70000/, [`a=@${directory}/large`]],
  ];
  for (const [text, words] of wrong) {
    assert.throws(
      () => readArguments(words),
      (error: Error) => text.test(error.message),
      words.join(' '),
    );
  }
  assert.equal(Reflect.get({}, 'x'), undefined);
});

test('numbers of signatures rise, also where the clock goes back, and are on disk before they are used', async (t) => {
  const file = join(await temporaryDirectory(t), 'counter');
  assert.equal(nextNumber(undefined, 1000), 1000);
  assert.deepEqual(
    [nextNumber(file, 1000), nextNumber(file, 1000), nextNumber(file, 10), nextNumber(file, 5000)],
    [1000, 1001, 1002, 5000],
  );
  assert.equal(readFileSync(file, 'utf8'), '5000\n');
  writeFileSync(file, 'nonsense');
  assert.throws(() => nextNumber(file, 1), /must hold a whole number, got "nonsense"/);
  assert.throws(() => nextNumber(join(file, 'x'), 1), /--signer-counter/);
});

test('what a device says can not steer the terminal of whoever reads it', () => {
  const text = responseText('pump-42', {
    command: 'ping',
    status: 'failed',
    error: { code: 'command.failed', message: 'a\u001b[2Jb\u009b1mc\nd' },
    phase: '\u0007',
    result: { 'k\u001b': { within: ['\u001b]0;x\u0007'] }, none: [], text: 'grün' },
  });
  assert.doesNotMatch(text.replaceAll('\n', ''), /\p{Cc}/u);
  assert.match(text, /^pump-42 ping failed: command\.failed: a\ufffd\[2Jb/);
  assert.match(text, /\n {2}text: grün\n/);
});

test('a text of several lines is shown as lines, none of which can be taken for one of ours or steers the terminal', () => {
  const pem = '-----BEGIN X-----\nAAAA\u001b[2J\r\npump-42 ping succeeded\n-----END X-----\n';
  const text = responseText('pump-42', {
    command: 'certificate.csr',
    status: 'succeeded',
    result: { csr: pem, key: 'k' },
  });
  assert.deepEqual(text.split('\n'), [
    'pump-42 certificate.csr succeeded',
    '  csr:',
    '    -----BEGIN X-----',
    '    AAAA\ufffd[2J',
    '    pump-42 ping succeeded',
    '    -----END X-----',
    '  key: k',
    '',
  ]);
});

test('a change on trial is waited for until it ends, and its request expires all the same', () => {
  const half = { answerMs: 30_000, endMs: 30_000 };
  assert.deepEqual(waitOf(undefined, 'ping', { within: '10m' }), half);
  assert.deepEqual(waitOf(undefined, 'config.set', {}), { answerMs: 30_000, endMs: 660_000 });
  assert.deepEqual(waitOf(undefined, 'config.rollback', { within: '2m' }), { answerMs: 30_000, endMs: 180_000 });
  assert.deepEqual(waitOf(undefined, 'config.set', { within: 'soon' }), { answerMs: 30_000, endMs: 660_000 });
  assert.deepEqual(waitOf(undefined, 'config.set', { within: '9d' }).endMs, 3_660_000);
  assert.deepEqual(waitOf(undefined, 'certificate.install', {}).endMs, 120_000);
  assert.deepEqual(waitOf('30s', 'config.set', {}), half);
  assert.throws(() => waitOf('1d', 'ping', {}), /--within: must be a duration/);
});
