/** `host.reboot`: on a real state file and runtime directory; root, the boot and the clock are in the test's hand. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { HostReboot, type HostRebootOptions } from '../../src/command/host-reboot.ts';
import { rebootRequest } from '../../src/platform/reboot-request.ts';
import { stateStore } from '../../src/platform/state-store.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import type { HandClock } from '../sensor-rig.ts';
import { keptLog } from '../serial-rig.ts';
import { NO_LOG } from '../state/count.ts';
import { type Answer, codeOf, DEADLINE_MS, deskRig, type DeskRig, handClock } from './desk-rig.ts';

const REQUEST = 'host.reboot/r1';

interface Life extends DeskRig {
  readonly hand: HandClock;
  readonly order: HostReboot;
  readonly request: string;
  /** Lets time pass in steps, each after what is on its way to disk. */
  readonly pass: (ms: number) => Promise<void>;
}

async function life(
  t: TestContext,
  directory: string,
  boot: string,
  more: Partial<HostRebootOptions> = {},
): Promise<Life> {
  const { hand, clock } = handClock('synced');
  const state = stateStore(directory, NO_LOG);
  const order = new HostReboot({
    clock,
    boot: { id: boot, uptimeMs: () => 400_000 },
    log: keptLog([]),
    state,
    reboot: rebootRequest(directory),
    startFault: () => Promise.resolve(undefined),
    ...more,
  });
  await order.open();
  const rig = await deskRig(t, { directory, clock, commands: [order.command], policy: { 'host.reboot': 'on' } });
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 1000) {
      hand.pass(Math.min(1000, ms - passed));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  return { ...rig, hand, order, request: join(directory, 'reboot'), pass };
}

const statuses = ({ answers }: Life): unknown[] => answers.map(({ document }) => document['status']);
const ended = async (one: Life): Promise<void> => {
  await until(() => one.answers.some(({ document }) => document['status'] !== 'executing'), 'the end', DEADLINE_MS);
};

test('the request is made once the order is on disk and told, and is succeeded under another boot id', async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await life(t, directory, 'boot-1');
  first.send(REQUEST, '{"by":"ops"}');
  await until(() => existsSync(first.request), 'the request', DEADLINE_MS);
  assert.equal(readFileSync(first.request, 'utf8'), 'r1\n');
  assert.match(readFileSync(join(directory, 'reboot.json'), 'utf8'), /boot-1/);
  assert.deepEqual(first.answers[0]?.document, {
    v: 1,
    id: 'r1',
    command: 'host.reboot',
    phase: 'rebooting',
    boot: 'boot-1',
    status: 'executing',
    repeated: false,
  });
  assert.equal(first.order.underway, true);
  rmSync(first.request);
  // The machine goes down here.
  const second = await life(t, directory, 'boot-2');
  await ended(second);
  assert.equal(existsSync(second.request), false);
  const { status, result } = second.answers[0]?.document ?? {};
  assert.deepEqual([status, result], ['succeeded', { boot: 'boot-2', boot_before: 'boot-1', uptime_ms: 400_000 }]);
  second.send(REQUEST, '{"by":"ops"}');
  const again = await until(() => second.answers[1], 'the stored answer', DEADLINE_MS);
  assert.deepEqual([again.document['repeated'], again.document['status']], [true, 'succeeded']);
  assert.equal(existsSync(second.request), false);
  const third = await life(t, directory, 'boot-3');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual([third.answers.length, existsSync(third.request)], [0, false]);
});

test('where nobody takes the request it is withdrawn, and may be made again by another order', async (t) => {
  const one = await life(t, await temporaryDirectory(t), 'boot-1');
  one.send(REQUEST, '{}');
  await until(() => existsSync(one.request), 'the request', DEADLINE_MS);
  await one.pass(20_000);
  await ended(one);
  assert.equal(codeOf(one.answers.at(-1) ?? assert.fail()), 'host.no-reboot-unit');
  assert.deepEqual([existsSync(one.request), one.order.underway], [false, false]);
  one.send('host.reboot/r2', '{}');
  await until(() => existsSync(one.request), 'the second request', DEADLINE_MS);
});

test('a machine that does not go down is told, and so is one whose agent was restarted on the way', async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await life(t, directory, 'boot-1');
  first.send(REQUEST, '{}');
  await until(() => existsSync(first.request), 'the request', DEADLINE_MS);
  // Ended by SIGKILL before root has looked: the request would be taken later, by surprise.
  const second = await life(t, directory, 'boot-1');
  assert.deepEqual([existsSync(second.request), second.order.underway], [false, true]);
  await second.pass(89_000);
  assert.deepEqual(statuses(second), []);
  await second.pass(2000);
  await ended(second);
  assert.equal(codeOf(second.answers.at(-1) ?? assert.fail()), 'host.not-rebooted');
  second.send('host.reboot/r2', '{}');
  await until(() => existsSync(second.request), 'the second request', DEADLINE_MS);
  rmSync(second.request);
  await second.pass(92_000);
  const failed = ({ document }: Answer): boolean => document['id'] === 'r2' && document['status'] === 'failed';
  const end = await until(() => second.answers.find(failed), 'the end', DEADLINE_MS);
  assert.equal(codeOf(end), 'host.not-rebooted');
});

const REFUSED: readonly (readonly [string, Partial<HostRebootOptions>, string])[] = [
  ['an agent that is not the service', { reboot: undefined }, 'host.no-reboot-unit'],
  ['a configuration on trial', { busy: () => 'a configuration is on trial' }, 'host.busy'],
  ['a machine that has just started', { boot: { id: 'b', uptimeMs: () => 299_999 } }, 'host.too-soon'],
];

for (const [what, options, code] of REFUSED) {
  test(`nothing is asked for: ${what}`, async (t) => {
    const one = await life(t, await temporaryDirectory(t), 'boot-1', options);
    one.send(REQUEST, '{}');
    await ended(one);
    assert.deepEqual([statuses(one), codeOf(one.answers[0] ?? assert.fail())], [['rejected'], code]);
    assert.equal(existsSync(one.request), false);
  });
}

test('an order that can not be written down is none', async (t) => {
  const state = stateStore('/dev/null/state', NO_LOG);
  const one = await life(t, await temporaryDirectory(t), 'boot-1', { state });
  one.send(REQUEST, '{}');
  await ended(one);
  assert.deepEqual([statuses(one), codeOf(one.answers[0] ?? assert.fail())], [['failed'], 'state.disk']);
  assert.equal(existsSync(one.request), false);
});

test('no reboot is asked for where the agent could not start again', async (t) => {
  const directory = await temporaryDirectory(t);
  const one = await life(t, directory, 'boot-1', {
    startFault: () => Promise.resolve('device.json:1:7: must be JSON'),
  });
  one.send('host.reboot/1', '{}');
  await ended(one);
  const { status, error } = one.answers.at(-1)?.document ?? {};
  assert.deepEqual([status, error], ['rejected', { code: 'config.invalid', message: 'device.json:1:7: must be JSON' }]);
  assert.deepEqual([one.order.underway, existsSync(one.request)], [false, false]);
});
