/** `fieldpost decode` as a process: bytes in, one JSON object a reading out, and what is no reading told at the end. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { freshSeed, seededRandom } from '../../src/workbench/random.ts';
import { METERS } from '../../src/workbench/simulate/meters.ts';
import { deviceFile, directory, jsonLines, PROGRAM, run } from './rig.ts';

const STARTED_MS = Date.UTC(2026, 10, 23, 16, 0, 0);

for (const profile of ['dsmr4', 'dsmr5', 'sml', 'nmea-gps', 'pms5003', 'sds011', 'arduino-csv']) {
  test(`decode finds in the frames of a virtual ${profile} what it put there, noise between them or not`, (t) => {
    const seed = freshSeed();
    t.diagnostic(`seed ${seed}`);
    const meter = METERS[profile]?.create(seededRandom(seed));
    assert.ok(meter !== undefined);
    const frames = Array.from({ length: 30 }, (_, turn) => meter.speak(STARTED_MS + turn * 10_000)).flat();
    // A line ends what stands before it; other framings find their start by themselves.
    const noise = Buffer.from(profile === 'nmea-gps' || profile === 'arduino-csv' ? 'noise\n' : 'noise');
    const { status, stdout, stderr } = run(
      ['decode', '--profile', profile],
      Buffer.concat(frames.flatMap(({ bytes }) => [noise, bytes])),
    );
    assert.equal(status, 0, stderr);
    const found = new Map<number, Record<string, string>>();
    for (const { frame, name, value, unit } of jsonLines(stdout)) {
      const values = found.get(frame as number) ?? {};
      found.set(frame as number, values);
      values[name as string] = value as string;
      if (unit !== undefined) values[`${String(name)}.unit`] = unit as string;
    }
    assert.deepEqual(
      [...found.values()],
      frames.map(({ truth }) => truth),
    );
    assert.match(stderr, new RegExp(`^${frames.length} frames decoded; .*(?:invalid|discarded)`));
  });
}

test('values are the texts that were sent, booleans are booleans, and --frames gives one object a frame', () => {
  const lines = '{"a":1.50,"big":12345678901234567890,"on":true,"off":"true"}\n';
  const readings = [
    { name: 'a', value: '1.50' },
    { name: 'big', value: '12345678901234567890' },
    { name: 'on', value: true },
    { name: 'off', value: 'true' },
  ];
  const one = run(['decode', '--profile', 'arduino-json'], lines);
  assert.deepEqual(
    jsonLines(one.stdout),
    readings.map((reading) => ({ frame: 1, ...reading })),
  );
  const whole = run(['decode', '--profile', 'arduino-json', '--frames'], lines.repeat(2));
  assert.deepEqual(jsonLines(whole.stdout), [
    { frame: 1, readings },
    { frame: 2, readings },
  ]);
});

test('decode takes a sensor of a configuration, the only one also without its name', (t) => {
  const sensor = {
    id: 'scale',
    port: { path: '/dev/none' },
    framing: { type: 'line', max: 64 },
    decode: { type: 'regex', pattern: '^(?<w>[0-9.]+) kg$' },
    routes: [{ telemetry: { every: '1s', fields: { w: { from: 'w' } } } }],
  };
  const file = deviceFile(directory(t), [sensor]);
  for (const args of [
    ['--config', file, '--sensor', 'scale'],
    ['--config', file],
  ]) {
    const { status, stdout } = run(['decode', ...args], '001.20 kg\n');
    assert.equal(status, 0);
    assert.deepEqual(jsonLines(stdout), [{ frame: 1, name: 'w', value: '001.20' }]);
  }
});

test('a slow reader gets every line, however many there are', async (t) => {
  const lines = Array.from({ length: 50_000 }, (_, index) => `{"temperature":${index}}\n`).join('');
  const child = spawn(process.execPath, [...PROGRAM, 'decode', '--profile', 'arduino-json'], { stdio: 'pipe' });
  t.after(() => child.kill('SIGKILL'));
  child.stdin.end(lines);
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    text += String(chunk);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const last = '{"frame":50000,"name":"temperature","value":"49999"}\n';
  assert.equal(text.slice(-last.length), last);
  assert.equal(text.split('\n').length, 50_001);
});

test('input without a single frame is a failure, no input at all is none', () => {
  const bad = run(['decode', '--profile', 'dsmr5'], 'no telegram at all\n');
  assert.equal(bad.status, 1);
  assert.equal(bad.stdout, '');
  assert.match(bad.stderr, /^0 frames decoded; 19 of 19 bytes discarded \(19 \w+\)\n$/);
  const none = run(['decode', '--profile', 'dsmr5']);
  assert.equal(none.status, 0);
});

test('what decode can not do it says in one line, with the exit status of its kind', (t) => {
  const folder = directory(t);
  const file = deviceFile(folder, [
    { id: 'p1', profile: 'dsmr5', port: { path: '/dev/none' } },
    { id: 'gps', profile: 'nmea-gps', port: { path: '/dev/other' } },
  ]);
  const broken = deviceFile(directory(t), [{ id: 'p1', profile: 'dsmr55', port: { path: '/dev/none' } }]);
  for (const [args, status, says] of [
    [[], 64, /--profile P, or --config F --sensor S/],
    [['--profile', 'dsmr55'], 64, /no profile "dsmr55"; did you mean dsmr5\?/],
    [['--profile', 'dsmr5', '--sensor', 'p1'], 64, /either --profile/],
    [['--profile', 'sdm120'], 64, /use read, which asks/],
    [['--config', file, '--sensor', 'p2'], 64, /no sensor "p2"; did you mean p1\?/],
    [['--config', file], 64, /a sensor must be named; there are p1, gps/],
    [['--config', broken, '--sensor', 'p1'], 78, /\/sensors\/0\/profile: must be the name of a profile/],
    [['--config', join(folder, 'none.json'), '--sensor', 'p1'], 78, /no such file/],
  ] as const) {
    const result = run(['decode', ...args], 'x');
    assert.equal(result.status, status, result.stderr);
    assert.match(result.stderr, says);
    if (status === 64) assert.equal(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
    assert.equal(result.stdout, '');
  }
});
