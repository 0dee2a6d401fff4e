/** `fieldpost doctor` on lines, ledgers and configurations that are not as they should be. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/platform/clock.ts';
import { lineOpener } from '../../src/platform/lines.ts';
import { Child } from '../../src/workbench/child.ts';
import { appendSales, openLedger } from '../ledger/rig.ts';
import { MOSQUITTO_2_0_20 } from '../scripted-broker/profiles.ts';
import { Heard, ttySpec } from '../serial-rig.ts';
import { doctor, ended, failsOnlyIn, keepSaying, sensorAt, setMeter, setScripted, shows, startDoctor } from './rig.ts';

const SENSOR = /^sensor pump$/;
/** Bytes as a wrong baud rate makes them: the same every time, and no text. */
const NOISE = Buffer.from(
  Array.from({ length: 512 }, (_, at) => (at * 73 + 0x81) & 0xff).filter((byte) => byte !== 0x0a),
);

test('a port that is not there is named, and the line is skipped', async (t) => {
  const { config } = await setScripted(t, MOSQUITTO_2_0_20, { sensors: [sensorAt('/dev/ttyNone0')] });
  const seen = await doctor(t, config);
  shows(seen, {
    part: SENSOR,
    name: /^port$/,
    state: 'failed',
    found: /^\/dev\/ttyNone0 is not there/,
    todo: /cable.*\/dev\/serial\/by-id/,
  });
  shows(seen, { part: SENSOR, name: /^line$/, state: 'skipped', found: /can not be opened/ });
  failsOnlyIn(seen, SENSOR);
  assert.equal(seen.exit, 1);
});

test('another program on a port is named with its process, and what comes is told all the same', async (t) => {
  const { far, path, sensor } = await setMeter(t);
  const { config } = await setScripted(t, MOSQUITTO_2_0_20, { sensors: [sensor] });
  const tail = new Child({ command: 'tail', args: ['-f', path] });
  t.after(() => tail.kill9());
  keepSaying(t, far, '{"t":21.5}\n');
  const seen = await doctor(t, config, {}, ['--seconds', '2']);
  const found = new RegExp(`^tail \\(process ${tail.pid}\\) has it open`);
  shows(seen, { part: SENSOR, name: /^other programs$/, state: 'failed', found, todo: /^stop it/ });
  failsOnlyIn(seen, SENSOR);
});

test('a port that is locked by a program other than the agent is named', async (t) => {
  const { path, sensor } = await setMeter(t);
  const { config } = await setScripted(t, MOSQUITTO_2_0_20, { sensors: [sensor] });
  const held = await lineOpener(systemClock).open(ttySpec(path), new Heard());
  t.after(() => held.close());
  const seen = await doctor(t, config);
  shows(seen, {
    part: SENSOR,
    name: /^line$/,
    state: 'failed',
    found: /another process holds this line/,
    todo: /^stop/,
  });
  shows(seen, { part: SENSOR, name: /^readings$/, state: 'skipped', found: /not open/ });
});

test('a line at the wrong baud rate is named as such', async (t) => {
  const { far, sensor } = await setMeter(t);
  const { config } = await setScripted(t, MOSQUITTO_2_0_20, { sensors: [sensor] });
  keepSaying(t, far, NOISE);
  const seen = await doctor(t, config, {}, ['--seconds', '2']);
  shows(seen, {
    part: SENSOR,
    name: /^readings$/,
    state: 'failed',
    found: /% of the bytes are no text: check baud rate and parity \(now 9600 Bd\)/,
    todo: /baud rate, parity/,
  });
});

test('a silent line is a warning that names wiring, power and --seconds', async (t) => {
  const { sensor } = await setMeter(t);
  const { config } = await setScripted(t, MOSQUITTO_2_0_20, { sensors: [sensor] });
  const seen = await doctor(t, config);
  shows(seen, {
    part: SENSOR,
    name: /^readings$/,
    state: 'warning',
    found: /nothing comes/,
    todo: /wiring.*--seconds/,
  });
});

test('a serial server that is not there is named', async (t) => {
  const sensor = { ...sensorAt(''), port: { tcp: '127.0.0.1:1' } };
  const { config } = await setScripted(t, MOSQUITTO_2_0_20, { sensors: [sensor] });
  const seen = await doctor(t, config);
  shows(seen, { part: SENSOR, name: /^line$/, state: 'failed', found: /ECONNREFUSED/, todo: /serial server/ });
});

test('a damaged ledger is named with its first bad event, and its counts are told', async (t) => {
  const { config } = await setScripted(t, MOSQUITTO_2_0_20);
  const directory = ledgerOf(config);
  const ledger = await openLedger(directory);
  await appendSales(ledger, 1, 20);
  await ledger.close();
  const sound = await doctor(t, config, {}, ['--no-mqtt']);
  shows(sound, { part: /^disk$/, name: /^ledger$/, state: 'ok', found: /^sound: 21 events$/ });
  shows(sound, { part: /^disk$/, name: /^events$/, state: 'ok', found: /^21 events not handed over, 0 dead$/ });
  const [name = ''] = readdirSync(directory).filter((each) => each.endsWith('.seg'));
  const bytes = readFileSync(join(directory, name));
  const at = bytes.indexOf('"seq":11,');
  bytes[at] = (bytes[at] ?? 0) ^ 0x01;
  writeFileSync(join(directory, name), bytes);
  const seen = await doctor(t, config, {}, ['--no-mqtt']);
  const found = /^damaged, first at \w+ seq 11: /;
  shows(seen, {
    part: /^disk$/,
    name: /^ledger$/,
    state: 'failed',
    found,
    todo: /ledger verify --dir .*replace the card/,
  });
  failsOnlyIn(seen, /^disk$/);
});

test('a ledger in memory, and one that may grow beyond the disk, are warnings', async (t) => {
  const dir = mkdtempSync('/dev/shm/fieldpost-doctor-');
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const { config } = await setScripted(t, MOSQUITTO_2_0_20, { ledger: { dir, maxBytes: '1024GiB' } });
  const seen = await doctor(t, config, {}, ['--no-mqtt']);
  shows(seen, {
    part: /^disk$/,
    name: /^file system$/,
    state: 'warning',
    found: /^tmpfs at .*power cut/,
    todo: /on a disk or card/,
  });
  shows(seen, {
    part: /^disk$/,
    name: /^space$/,
    state: 'warning',
    found: /may take 1048576\.0 MiB more/,
    todo: /maxBytes/,
  });
  assert.equal(seen.exit, 0);
});

test('a ledger directory that can not be made is named', async (t) => {
  const { config } = await setScripted(t, MOSQUITTO_2_0_20, { ledger: { dir: '/dev/null/ledger' } });
  const seen = await doctor(t, config, {}, ['--no-mqtt']);
  shows(seen, { part: /^disk$/, name: /^directory$/, state: 'failed', found: /no directory/, todo: /ledger\.dir/ });
});

test('every problem of an invalid configuration is told, with exit 78, and the rest is skipped', async (t) => {
  const { config } = await setScripted(t, MOSQUITTO_2_0_20, { broker: { keepAlive: '0s', nonsense: 1 } });
  const seen = await doctor(t, config);
  const part = /^configuration$/;
  shows(seen, { part, name: /keepAlive/, state: 'failed', found: /must be 5s to 1h, got "0s"/, todo: /^correct/ });
  shows(seen, { part, name: /nonsense/, state: 'failed', found: /must be a known key/, todo: /^correct/ });
  shows(seen, { part: /^the rest$/, name: /^all$/, state: 'skipped', found: /invalid/ });
  assert.equal(seen.exit, 78);
  assert.equal(seen.ok, false);
});

test('a wrong option is exit 64', async (t) => {
  assert.equal(await ended(startDoctor(t, ['--seconds', 'soon'])), 64);
});

test('for people it is a table by parts, with what to do under the line, and no colour into a pipe', async (t) => {
  const { config } = await setScripted(t, MOSQUITTO_2_0_20, { sensors: [sensorAt('/dev/ttyNone0')] });
  const child = startDoctor(t, ['--config', config, '--no-mqtt']);
  assert.equal(await ended(child), 1);
  const text = child.outLines.join('\n');
  assert.match(text, /^sensor pump\n {2}failed {3}port {2}\/dev\/ttyNone0 is not there\n {17}-> check cable/m);
  assert.match(child.outLines.at(-1) ?? '', /^\d+ ok, \d+ warning, 1 failed, \d+ skipped$/);
  assert.ok(!text.includes('\u001b'));
});

function ledgerOf(config: string): string {
  return (JSON.parse(readFileSync(config, 'utf8')) as { readonly ledger: { readonly dir: string } }).ledger.dir;
}
