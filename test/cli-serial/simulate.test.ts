/** `fieldpost simulate` as a process: what it prints, where it is found, how it ends, and what it refuses. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/platform/clock.ts';
import { lineOpener } from '../../src/platform/lines.ts';
import { METER_NAMES } from '../../src/workbench/simulate/meters.ts';
import { Heard, ttySpec, until } from '../serial-rig.ts';
import { directory, ended, jsonLines, outLine, run, simulate, start } from './rig.ts';

test('a meter talks on a pseudo-terminal under the name of a link, which goes with it', async (t) => {
  const link = join(directory(t), 'meter');
  const { child, where } = await simulate(t, [
    'arduino-json',
    '--pty',
    '--link',
    link,
    '--every',
    '50ms',
    '--seed',
    '7',
  ]);
  assert.equal(where, link);
  assert.match(readlinkSync(link), /^\/dev\/pts\/\d+$/);
  const heard = new Heard();
  const connection = await lineOpener(systemClock).open(ttySpec(link), heard);
  await until(() => heard.all.includes('\n{') && heard.all.at(-1) === 0x0a, 'some lines', 30_000);
  await connection.close();
  assert.match(heard.all.toString(), /(?:^|\n)\{"temperature":-?\d+\.\d,"humidity":\d+\.\d\}\r\n/);
  child.signal('SIGTERM');
  assert.equal(await ended(child), 0);
  assert.equal(existsSync(link), false);
  assert.match(child.lines.join('\n'), /seed 7\n\d+ frames, \d+ bytes/);
});

test('a link that a killed run left behind is taken over, a file or another link is not', async (t) => {
  const folder = directory(t);
  const [left, file, other] = ['left', 'file', 'other'].map((name) => join(folder, name)) as [string, string, string];
  symlinkSync('/dev/pts/999999', left);
  const { where } = await simulate(t, ['mh-z19', '--link', left]);
  assert.equal(where, left);
  writeFileSync(file, 'mine');
  symlinkSync('/etc/passwd', other);
  for (const link of [file, other]) {
    const refused = run(['simulate', 'mh-z19', '--link', link]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /the link to \/dev\/pts\/\d+ can not be made: EEXIST/);
  }
  assert.equal(readFileSync(file, 'utf8'), 'mine');
});

test('a meter answers over TCP', async (t) => {
  const child = start(t, ['simulate', 'sics-scale', '--tcp', '0', '--json']);
  const { port } = JSON.parse(await outLine(child, /^\{/)) as { port: string };
  const [host = '', number] = port.split(':');
  const socket = connect({ host, port: Number(number) });
  t.after(() => socket.destroy());
  let said = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  socket.write('@\r\nSI\r\n');
  await until(() => said.includes('kg\r\n'), 'the weight', 30_000);
  assert.match(said, /^I4 A "0123456789"\r\nS [SD] +-?\d+\.\d{3} kg\r\n$/);
  const taken = run(['simulate', 'sics-scale', '--tcp', port]);
  assert.equal(taken.status, 1);
  assert.match(taken.stderr, /EADDRINUSE/);
  child.signal('SIGINT');
  assert.equal(await ended(child), 0);
});

test('a meter ends by itself after its seconds', () => {
  const { status, stdout } = run(['simulate', 'pms5003', '--seconds', '0.5', '--noise', '0.5']);
  assert.equal(status, 0);
  assert.match(stdout, /^\/dev\/pts\/\d+\n$/);
});

test('--list names each meter once, with a line about it', () => {
  const plain = run(['simulate', '--list']).stdout.trimEnd().split('\n');
  assert.deepEqual(
    plain.map((line) => line.split(/\s+/)[0]),
    METER_NAMES,
  );
  const listed = jsonLines(run(['simulate', '--list', '--json']).stdout);
  assert.deepEqual(
    listed.map(({ profile }) => profile),
    METER_NAMES,
  );
  assert.ok(listed.every(({ about }) => typeof about === 'string' && about !== ''));
});

test('a wrong command line is told with what would be right', () => {
  for (const [args, says] of [
    [[], /one profile must be named/],
    [['dmsr5'], /no virtual meter "dmsr5"; did you mean dsmr5\?/],
    [['__proto__'], /no virtual meter "__proto__"/],
    [['dsmr5', 'sml'], /one profile/],
    [['dsmr5', '--tcp', '1', '--pty'], /either --pty/],
    [['dsmr5', '--tcp', 'x:y:z'], /--tcp: must be a port or host:port, got "x:y:z"/],
    [['dsmr5', '--tcp', '70000'], /--tcp: must be/],
    [['mh-z19', '--every', '5s'], /--every: must be left out/],
    [['dsmr5', '--every', '5'], /--every: must be a duration, 1ms to 1d, got "5"/],
    [['dsmr5', '--seconds', '0'], /--seconds: must be 0.1 to \d+, got "0"/],
    [['dsmr5', '--noise', '2'], /--noise: must be 0 to 1, got "2"/],
    [['dsmr5', '--seed', 'x'], /--seed: must be a whole number/],
    [['dsmr5', '--sped', '1'], /--sped/],
  ] as const) {
    const result = run(['simulate', ...args]);
    assert.equal(result.status, 64, result.stderr);
    assert.match(result.stderr, says);
    assert.equal(result.stdout, '');
  }
});
