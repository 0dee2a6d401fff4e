/** `fieldpost capture` and `replay` as processes: what came over a line comes back, byte for byte. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/platform/clock.ts';
import { lineOpener } from '../../src/platform/lines.ts';
import { captureHeaderText, captureRecordText, parseCaptureRecord } from '../../src/serial/capture.ts';
import { Heard, ptyFarEnd, ttySpec, until } from '../serial-rig.ts';
import { deviceFile, directory, ended, jsonLines, outLine, run, simulate, start } from './rig.ts';

const HEADER = captureHeaderText({ port: 'p', at: '2026-11-25T10:00:00.000Z' });

/** The bytes of a capture file, and its events. */
function contents(path: string): { readonly bytes: Buffer; readonly events: readonly string[] } {
  const records = readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => parseCaptureRecord(line))
    .flatMap((line) => (line.kind === 'ok' ? [line.value] : assert.fail(line.expected)));
  return {
    bytes: Buffer.concat(records.map((record) => (record.kind === 'bytes' ? record.bytes : Buffer.alloc(0)))),
    events: records.flatMap(({ kind }) => (kind === 'bytes' ? [] : [kind])),
  };
}

test('everything that comes over a line is in the file at once, and replay gives it back on a terminal', async (t) => {
  const far = await ptyFarEnd(t);
  const out = join(directory(t), 'capture');
  const path = far.spec.kind === 'tty' ? far.spec.path : '';
  const capture = start(t, ['capture', '--port', path, '--baud', '115200', '--out', out]);
  await until(() => existsSync(out) && contents(out).events.length > 0, 'the opening', 60_000);
  const sent = Buffer.from(Array.from({ length: 3000 }, (_, index) => (index * 7) & 0xff));
  for (let from = 0; from < sent.length; from += 500) {
    await far.send(sent.subarray(from, from + 500));
    await until(() => contents(out).bytes.length === from + 500, 'the bytes in the file', 30_000);
  }
  capture.signal('SIGINT');
  assert.equal(await ended(capture), 0);
  assert.deepEqual(contents(out), { bytes: sent, events: ['open'] });
  assert.match(capture.lines.join('\n'), /^3000 bytes captured$/m);
  assert.equal(far.received().length, 0);

  const replay = start(t, ['replay', out, '--speed', 'max']);
  const heard = new Heard();
  const connection = await lineOpener(systemClock).open(ttySpec(await outLine(replay, /^\/dev\/pts\//)), heard);
  await until(() => heard.length === sent.length, 'the bytes again', 30_000);
  assert.deepEqual(heard.all, sent);
  await connection.close();
  assert.equal(await ended(replay), 0);
});

test('a replay that nobody reads ends by itself, says so, and sends nothing', (t) => {
  const file = join(directory(t), 'capture');
  writeFileSync(file, `${HEADER}{"t":0,"rx":"${Buffer.from('never seen\n').toString('base64')}"}\n`);
  const { status, stdout, stderr } = run(['replay', file, '--wait', '300ms']);
  const where = stdout.trim();
  assert.match(where, /^\/dev\/pts\/\d+$/);
  assert.equal(status, 1, stderr);
  assert.match(stderr, /^fieldpost replay: nobody opened (\S+) within 0\.3 s.*; nothing was sent\n$/);
  assert.ok(stderr.includes(`opened ${where} within`));
});

test('a capture with a profile shows readings, ends after its bytes, and replay decodes the same', async (t) => {
  const { where } = await simulate(t, ['dsmr5', '--every', '100ms']);
  const out = join(directory(t), 'capture');
  const result = run(['capture', '--port', where, '--profile', 'dsmr5', '--out', out, '--bytes', '4000', '--json']);
  assert.equal(result.status, 0, result.stderr);
  const shown = jsonLines(result.stdout);
  const volts = shown.filter(({ name }) => name === 'voltage_l1').map(({ value }) => value);
  assert.ok(shown.some(({ event }) => event !== undefined));
  assert.equal(contents(out).bytes.length, 4000);
  assert.match(result.stderr, /^4000 bytes captured; \d+ frames/m);
  const replayed = run(['replay', out, '--decode', '--profile', 'dsmr5', '--frames']);
  const decoded = run(['decode', '--profile', 'dsmr5', '--frames'], contents(out).bytes);
  assert.equal(replayed.status, 0);
  assert.equal(replayed.stdout, decoded.stdout);
  const found = jsonLines(replayed.stdout).flatMap(({ readings }) => readings as Record<string, string>[]);
  const kept = found.filter(({ name }) => name === '1-0:32.7.0').map(({ value }) => Number(value));
  assert.ok(kept.length > 0);
  // The telegram in which the file was full is whole on the screen.
  assert.deepEqual(kept, volts.slice(0, kept.length));
});

test('a sensor that has to be asked is asked while it is captured', async (t) => {
  const { where } = await simulate(t, ['mh-z19']);
  const folder = directory(t);
  const config = deviceFile(folder, [{ id: 'co2', profile: 'mh-z19', port: { path: where } }]);
  const out = join(folder, 'capture');
  const result = run(['capture', 'co2', '--config', config, '--out', out, '--bytes', '9']);
  assert.equal(result.status, 0, result.stderr);
  assert.equal(contents(out).bytes.toString('hex', 0, 2), 'ff86');
});

test('replay --decode keeps to the openings of the capture', (t) => {
  const out = join(directory(t), 'capture');
  const records = [
    { kind: 'open', atMs: 0 } as const,
    { kind: 'bytes', atMs: 10, bytes: Buffer.from('1.5,60\n21.5,60\n22') } as const,
    { kind: 'lost', atMs: 20, why: 'closed' } as const,
    { kind: 'open', atMs: 300 } as const,
    { kind: 'bytes', atMs: 1000, bytes: Buffer.from('.5,60\n23.5,60\n') } as const,
  ];
  writeFileSync(out, HEADER + records.map(captureRecordText).join(''));
  const { stdout, stderr } = run(['replay', out, '--decode', '--profile', 'arduino-csv', '--speed', 'max']);
  const temperatures = jsonLines(stdout).filter(({ name }) => name === 'temperature');
  assert.deepEqual(
    temperatures.map(({ value }) => value),
    ['21.5', '.5', '23.5'],
  );
  assert.match(stderr, /^3 frames decoded; /);
});

test('what capture and replay can not do they say in one line, with the exit status of its kind', (t) => {
  const folder = directory(t);
  const there = join(folder, 'there');
  const bad = join(folder, 'bad');
  const out = join(folder, 'out');
  writeFileSync(there, HEADER);
  writeFileSync(bad, `${HEADER}{"t":1}\n`);
  const config = deviceFile(folder, [{ id: 'co2', profile: 'mh-z19', port: { path: '/dev/none' } }]);
  for (const [args, status, says] of [
    [['capture', '--out', out], 64, /must be told what to listen to/],
    [['capture', '--port', '/dev/none'], 64, /--out FILE must say/],
    [['capture', '--port', '/dev/none', '--out', there], 64, /--out: must not be there yet/],
    [['capture', '--port', '/dev/none', '--out', join(folder, 'no', 'out')], 74, /no such file or directory/],
    [['capture', '--port', '/dev/none', '--out', out], 1, /\/dev\/none: No such file or directory/],
    [['capture', '--port', '/dev/none', '--out', out, '--baud', '7'], 64, /\/port\/baudRate: must be a whole number/],
    [['capture', '--port', '/dev/none', '--out', out, '--parity', 'mark'], 64, /\/port\/parity: must be/],
    [['capture', '--port', '/dev/none', '--out', out, '--profile', 'mhz19'], 64, /did you mean mh-z19\?/],
    [['capture', '--port', '127.0.0.1:1', '--out', out], 1, /ECONNREFUSED/],
    [['capture', '--port', '/dev/none', '--out', out, '--bytes', '0'], 64, /--bytes: must be 1 bytes to 1024GiB/],
    [['capture', 'co2', '--config', config, '--port', '/dev/none', '--out', out], 64, /either a sensor/],
    [['capture', 'co3', '--config', config, '--out', out], 64, /no sensor "co3"; did you mean co2\?/],
    [['replay'], 64, /one capture file/],
    [['replay', join(folder, 'none')], 1, /none: no such file/],
    [['replay', bad], 1, /bad:2: must be an object with rx, or event open or lost/],
    [['replay', bad, '--decode'], 64, /--profile P, or --config F/],
    [['replay', bad, '--decode', '--profile', 'dsmr5'], 1, /bad:2: must be/],
    [['replay', bad, '--profile', 'dsmr5'], 64, /go with --decode/],
    [['replay', bad, '--speed', 'fast'], 64, /--speed: must be/],
    [['replay', bad, '--decode', '--profile', 'dsmr5', '--link', 'x'], 64, /either --pty/],
  ] as const) {
    const result = run(args);
    assert.equal(result.status, status, `${args.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, says);
    assert.equal(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
    assert.equal(existsSync(out), false);
  }
});
