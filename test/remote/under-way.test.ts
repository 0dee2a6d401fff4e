/** Edits of device.json, trials that end and disks that fail under an agent that works: what is run next, and what may be begun meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, FILE, rig, set, systemError } from './rig.ts';

test('between a trial that was taken back and the agent that ends for it, nothing is judged, begun or let out', async () => {
  const { remote, switches } = await rig({ ...FILE, schedule: [], remote: { allow: ['/broker/keepAlive', '/log'] } });
  const patch = { broker: { keepAlive: '20s' } };
  assert.equal(await codeOf(set(remote, 0, patch, 'w')), 'begun');
  await remote.take();
  await remote.started(() => []);
  assert.equal((await remote.revert('cancelled by command')).kind, 'settled');
  // The same again would be told as done already; with more, as a thing that the device may confirm by itself.
  for (const again of [patch, { ...patch, log: { level: 'debug' } }, { log: { level: 'debug' } }]) {
    assert.equal(await codeOf(set(remote, 0, again, 'again')), 'config.busy', JSON.stringify(again));
    const planned = await remote.plan(again);
    assert.equal(planned.kind === 'refused' ? planned.code : planned.kind, 'config.busy');
  }
  // The link may be made anew meanwhile, to the broker that nobody has confirmed.
  assert.deepEqual([remote.eventsHeld, remote.report['phase']], ['config.trial', 'probation']);
  assert.equal(remote.busy, 'a new start of the agent');
  remote.apply();
  assert.equal(switches(), 1);
  await remote.take();
  assert.deepEqual(
    [remote.eventsHeld, remote.busy, remote.report],
    [undefined, undefined, { revision: 0, phase: 'confirmed' }],
  );
  assert.equal(await codeOf(set(remote, 0, { ...patch, log: { level: 'debug' } }, 'more')), 'begun');
  assert.deepEqual(remote.busy, 'the configuration 2');
  await remote.take();
  assert.equal(remote.running.trial?.mode, 'operator');
});

test('between an edited device.json and the agent that starts on it, no change is judged by what ends', async () => {
  const file = { ...FILE, log: { level: 'info' } };
  const edited = { value: file as object };
  const { remote } = await rig(file, () => edited.value);
  edited.value = { ...file, log: { level: 'debug' } };
  await remote.reload();
  assert.equal(await codeOf(set(remote, 0, { log: { level: 'info' } })), 'config.busy');
  await remote.take();
  assert.equal(await codeOf(set(remote, 0, { log: { level: 'debug' } })), 'same');
  assert.equal(await codeOf(set(remote, 0, { log: { level: 'info' } })), 'begun');
});

test('a change that the disk refused after it was in its place is not begun by the next one', async () => {
  const { remote, again, disk, switches } = await rig(FILE);
  const patch = { broker: { keepAlive: '20s' } };
  const fails = (): Promise<never> => Promise.reject(systemError('EIO'));
  const [write, syncNames, rename] = [disk.write.bind(disk), disk.syncNames.bind(disk), disk.rename.bind(disk)];
  disk.rename = async (from, to) => {
    await rename(from, to);
    if (to !== 'state.json') return;
    disk.write = fails;
    disk.syncNames = fails;
  };
  assert.equal(await codeOf(set(remote, 0, patch)), 'config.disk');
  // Neither is it run by an edit of device.json while nothing can be written.
  await remote.reload();
  assert.deepEqual([switches(), remote.busy, (await remote.take()).revision], [0, undefined, 0]);
  Object.assign(disk, { write, syncNames, rename });
  assert.equal(await codeOf(set(remote, 0, { log: { level: 'debug' } }, 'c2')), 'begun');
  const { running } = await again(FILE);
  assert.deepEqual([running.config.log.level, running.config.broker.keepAlive], ['debug', 30_000]);
});

test('a state that is damaged under the agent is written anew, and what was confirmed stays', async () => {
  const { remote, again, disk } = await rig(FILE);
  assert.equal(await codeOf(set(remote, 0, { broker: { keepAlive: '20s' } })), 'begun');
  await remote.take();
  await remote.started(() => []);
  assert.equal((await remote.confirm(remote.probation?.token ?? '')).kind, 'settled');
  await disk.write('state.json', Buffer.from('torn'));
  await remote.reload();
  assert.deepEqual([(await remote.take()).revision, remote.degraded], [1, []]);
  assert.deepEqual((await again(FILE)).report, { revision: 1, phase: 'confirmed' });
});

test('a trial that another process has put there ends at its deadline', async () => {
  const { remote, again, clock } = await rig(FILE);
  const other = await again(FILE);
  assert.equal(await codeOf(set(other, 0, { broker: { keepAlive: '20s' } })), 'begun');
  assert.equal(await codeOf(set(remote, 0, { log: { level: 'debug' } })), 'config.busy');
  for (let look = 0; look < 62; look += 1) {
    clock.pass(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(remote.busy, undefined);
  assert.equal(await codeOf(set(remote, 0, { log: { level: 'debug' } })), 'begun');
});

test('a device.json that no agent could be started on is not run, nor what commands want while none could be', async () => {
  const edited = { value: FILE as object };
  const { remote, switches, places } = await rig(FILE, () => edited.value);
  places.problem = 'ledger /l: read-only';
  await remote.reload();
  assert.deepEqual(remote.degraded, [], 'the file says the same');
  edited.value = { ...FILE, log: { level: 'debug' } };
  await remote.reload();
  assert.deepEqual([remote.degraded, switches(), remote.busy], [['config.invalid'], 0, undefined]);
  const begun = await set(remote, 0, { log: { level: 'debug' } });
  assert.deepEqual([begun.kind === 'refused' && begun.code, remote.busy], ['config.disk', undefined]);
  assert.match(begun.kind === 'refused' ? begun.message : '', /could not be started again: ledger \/l: read-only/);
  places.problem = undefined;
  await remote.reload();
  assert.deepEqual([remote.degraded, switches()], [[], 1]);
  assert.equal((await remote.take()).config.log.level, 'debug');
});

test('what only a start finds out undoes a reload, once and up to what has run; other starts that fail undo nothing', async () => {
  const edited = { value: FILE as object };
  const { remote, again } = await rig(FILE, () => edited.value);
  assert.equal(await remote.startFailed('no disk'), false, 'the first start of the process');
  await remote.started(() => []);
  for (const level of ['debug', 'error']) {
    edited.value = { ...FILE, log: { level } };
    await remote.reload();
  }
  assert.equal((await remote.take()).config.log.level, 'error');
  assert.equal(await remote.startFailed('no disk'), true);
  assert.deepEqual([(await remote.take()).config.log.level, remote.degraded], ['info', ['config.invalid']]);
  assert.equal(await remote.startFailed('no disk'), false);
  await remote.started(() => []);
  await remote.reload();
  await remote.take();
  await remote.started(() => []);
  assert.deepEqual([remote.running.config.log.level, remote.degraded], ['error', []]);
  assert.equal(await remote.startFailed('no disk'), false, 'an agent has run on it');
  const stood = await again(FILE, { standIn: { ...FILE, host: { every: '45s' } } });
  await stood.started(() => []);
  await stood.reload();
  await stood.take();
  assert.equal(await stood.startFailed('no disk'), true);
  const back = await stood.take();
  assert.deepEqual([back.value['host'], stood.degraded], [{ every: '45s' }, ['config.invalid']]);
  assert.equal(await codeOf(set(stood, 0, { log: { level: 'debug' } })), 'config.invalid');
});
