/** The doctor's look from inside the agent (`doctor.run`) at serial lines, which are the agent's own. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { loadConfig } from '../../src/cli/config-file.ts';
import { ownDoctor } from '../../src/cli/doctor-own.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { lineOpener } from '../../src/platform/lines.ts';
import { usersOf } from '../../src/platform/port-users.ts';
import { Child } from '../../src/workbench/child.ts';
import { until } from '../rig/wait.ts';
import { MOSQUITTO_2_0_20 } from '../scripted-broker/profiles.ts';
import { type FarEnd, Heard, ttySpec } from '../serial-rig.ts';
import { type Check, DEADLINE_MS, failsOnlyIn, setMeter, setScripted, type Seen, shows } from './rig.ts';

const SENSOR = /^sensor pump$/;
const LEFT = { part: SENSOR, name: /^line$/, state: 'skipped', found: /^the agent reads it/ } as const;

/** A meter that is told something when its line opens, and the doctor as this process, which is the agent then, runs it. */
async function setOwn(
  t: TestContext,
): Promise<{ readonly far: FarEnd; readonly path: string; readonly look: () => Promise<Seen> }> {
  const { far, path, sensor } = await setMeter(t);
  const told = { ...sensor, init: { settle: '0s', steps: [{ write: 'HELLO\n' }] } };
  const { config: file } = await setScripted(t, MOSQUITTO_2_0_20, { sensors: [told] });
  const loaded = loadConfig(file);
  assert.ok(loaded.kind === 'valid');
  const look = async (): Promise<Seen> => {
    const parts = await ownDoctor(file, loaded.config);
    const checks: Check[] = parts.flatMap(({ part, findings }) => findings.map((finding) => ({ part, ...finding })));
    return { exit: null, ok: checks.every(({ state }) => state !== 'failed'), checks };
  };
  return { far, path, look };
}

test('doctor.run leaves a line that the agent has open to the agent, and finds nothing wrong with it', async (t) => {
  const { far, path, look } = await setOwn(t);
  const held = await lineOpener(systemClock).open(ttySpec(path), new Heard());
  t.after(() => held.close());
  const seen = await look();
  shows(seen, { part: SENSOR, name: /^port$/, state: 'ok', found: new RegExp(`^${path}$`) });
  shows(seen, LEFT);
  failsOnlyIn(seen, /^nowhere$/);
  assert.equal(far.received().toString(), '');
});

test('doctor.run between two openings of a line does not open it, and writes nothing to the meter', async (t) => {
  const { far, path, look } = await setOwn(t);
  const seen = await look();
  // What is written to a terminal comes in order: a word of the doctor's would stand before this one.
  const line = await lineOpener(systemClock).open(ttySpec(path), new Heard());
  t.after(() => line.close());
  await line.write(Buffer.from('END\n'));
  await until(() => far.received().includes('END\n'), 'what was written last', DEADLINE_MS);
  assert.equal(far.received().toString(), 'END\n');
  shows(seen, LEFT);
});

test('doctor.run names another program on a line of the agent', async (t) => {
  const { path, look } = await setOwn(t);
  const tail = new Child({ command: 'tail', args: ['-f', path] });
  t.after(() => tail.kill9());
  const held = await lineOpener(systemClock).open(ttySpec(path), new Heard());
  t.after(() => held.close());
  await until(async () => (await usersOf(path)).some(({ pid }) => pid === tail.pid), 'tail on the line', DEADLINE_MS);
  const seen = await look();
  const found = new RegExp(`^tail \\(process ${tail.pid}\\) has it open`);
  shows(seen, { part: SENSOR, name: /^other programs$/, state: 'failed', found, todo: /^stop it/ });
  shows(seen, LEFT);
});
