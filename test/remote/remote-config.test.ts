/** What may be changed, what holds, and what a device runs when its files no longer fit together. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Table } from '../../src/remote/merge-patch.ts';
import type { RemoteConfig } from '../../src/remote/remote-config.ts';
import { change, codeOf, FILE, rig, set, systemError, WITH_LEDGER } from './rig.ts';

test('without `remote` nothing can be changed, and with it only what it allows', async () => {
  const { remote: _, ...alone } = FILE;
  const { remote: closed } = await rig(alone);
  assert.equal(await codeOf(set(closed, 0, { log: { level: 'debug' } })), 'config.not-allowed');
  const { remote } = await rig(FILE);
  const barred: readonly Table[] = [
    { device: { id: 'e' } },
    { remote: { allow: [] } },
    { commands: { 'host.reboot': 'on' } },
    { broker: { tls: { ca: '/tmp/ca.pem' } } },
    { broker: { allowPlain: true } },
    { broker: { username: 'root' } },
    { broker: null },
    { ledger: { dir: '/tmp' } },
    { ledger: { sign: true } },
    { state: { dir: '/tmp' } },
    { topics: { prefix: 'x' } },
    { ['__proto__']: { polluted: true }, device: { id: 'x' } },
  ];
  for (const patch of barred) {
    assert.equal(await codeOf(set(remote, 0, patch)), 'config.not-allowed', JSON.stringify(patch));
  }
  assert.equal(await codeOf(set(remote, 0, { log: { level: 'loud' } })), 'config.invalid');
  assert.equal(await codeOf(set(remote, 3, { log: { level: 'debug' } })), 'config.conflict');
  assert.equal(await codeOf(set(remote, 0, { log: { level: 'info' } })), 'begun');
  assert.equal(await codeOf(set(remote, 0, { log: { level: 'debug' } })), 'config.busy');
});

test('what was promised of events is not lowered, no port leaves /dev, and no line is opened to writes', async () => {
  const { remote } = await rig(WITH_LEDGER);
  assert.equal(await codeOf(set(remote, 0, { ledger: { maxBytes: '32MiB' } })), 'config.invalid');
  assert.equal(await codeOf(set(remote, 0, { ledger: { retain: '1d' } })), 'config.invalid');
  assert.equal(await codeOf(set(remote, 0, { ledger: { maxBytes: '128MiB' } })), 'begun');
  const { remote: other } = await rig(FILE);
  const sensor = (path: string, more: object = {}): Table => ({
    sensors: [
      { id: 's', port: { path }, framing: { type: 'line' }, decode: { type: 'json' }, routes: [route], ...more },
    ],
  });
  const route = { telemetry: { every: '1s', fields: { t: { from: 't' } } } };
  for (const path of ['/etc/shadow', '/dev/../etc/shadow', 'ttyUSB0']) {
    assert.equal(await codeOf(set(other, 0, sensor(path))), 'config.invalid', path);
  }
  assert.equal(await codeOf(set(other, 0, sensor('/dev/ttyUSB0', { writes: {} }))), 'config.invalid');
  assert.equal(await codeOf(set(other, 0, sensor('/dev/ttyUSB0'))), 'begun');
});

test('what can cut the wire waits for the operator; anything else the device confirms itself', async () => {
  const { remote } = await rig(FILE);
  await change(remote, 0, { log: { level: 'debug' } });
  assert.deepEqual([remote.report, remote.eventsHeld], [{ revision: 1, phase: 'confirmed' }, undefined]);
  assert.equal(await codeOf(set(remote, 1, { broker: { keepAlive: '20s' } }, 'w')), 'begun');
  await remote.take();
  await remote.started(() => []);
  assert.deepEqual([remote.report['phase'], remote.eventsHeld], ['probation', 'config.trial']);
  const token = remote.probation?.token ?? '';
  const wrong = await remote.confirm(`${token}x`);
  assert.equal(wrong.kind === 'refused' ? wrong.code : wrong.kind, 'config.token');
  const first = await remote.confirm(token);
  assert.ok(first.kind === 'settled' && first.isNow && first.entry.outcome === 'confirmed');
  const repeated = await remote.confirm(token);
  assert.deepEqual(repeated, { ...first, isNow: false });
  assert.equal(remote.eventsHeld, undefined);
  assert.ok(remote.history.every((entry) => !('token' in entry)));
});

test('a change that is asked for keeps others from beginning before it is on disk, and one that is refused does not', async () => {
  const { remote } = await rig(FILE);
  const refused = set(remote, 7, { log: { level: 'debug' } });
  assert.equal(remote.busy, 'a change of the configuration');
  await refused;
  assert.equal(remote.busy, undefined);
  const begun = set(remote, 0, { log: { level: 'debug' } });
  assert.equal(remote.busy, 'a change of the configuration');
  await begun;
  assert.equal(remote.busy, 'the configuration 1');
});

test('a rollback brings back what was good before, and back again', async () => {
  const { remote } = await rig(FILE);
  const target = { kind: 'previous' } as const;
  const back = (base: number): ReturnType<RemoteConfig['begin']> =>
    remote.begin({
      command: 'config.rollback',
      id: `r${base}`,
      base,
      target,
      withinMs: 60_000,
      trial: false,
      check: true,
    });
  assert.equal(await codeOf(back(0)), 'config.no-previous');
  await change(remote, 0, { log: { level: 'debug' } });
  await change(remote, 1, { log: { level: 'error' } });
  assert.equal(await codeOf(back(2)), 'begun');
  await remote.take();
  await remote.started(() => []);
  assert.deepEqual([remote.running.config.log.level, remote.running.revision], ['debug', 3]);
});

test('a line that does not open takes the change back, and says which', async () => {
  const { remote, switches, clock } = await rig(FILE);
  const route = { telemetry: { every: '1s', fields: { t: { from: 't' } } } };
  const sensors = [
    { id: 's', port: { path: '/dev/x' }, framing: { type: 'line' }, decode: { type: 'json' }, routes: [route] },
  ];
  assert.equal(await codeOf(set(remote, 0, { sensors })), 'begun');
  await remote.take();
  const judged = remote.started(() => [{ id: 's', state: 'absent', why: 'No such file or directory' }]);
  for (let look = 0; look < 110; look += 1) {
    clock.pass(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await judged;
  assert.equal(switches(), 1);
  const { outcome, why } = remote.history.at(-1) ?? {};
  assert.deepEqual([outcome, why], ['reverted', 'sensor s: No such file or directory']);
  assert.equal((await remote.take()).revision, 0);
});

test('a local edit of what an overlay sets is reported; one that does not fit is no reason to stop', async () => {
  const { remote, again } = await rig(WITH_LEDGER);
  await change(remote, 0, { ledger: { maxBytes: '128MiB' }, log: { level: 'debug' } });
  const edited = await again({ ...WITH_LEDGER, log: { level: 'error' } });
  assert.deepEqual(edited.report, { revision: 1, phase: 'confirmed', shadowed: ['/log/level'] });
  assert.equal(edited.running.config.log.level, 'debug');
  const clash = await again({
    ...WITH_LEDGER,
    ledger: { ...WITH_LEDGER.ledger, dir: '/l', retain: '30d', maxBytes: '1GiB' },
  });
  assert.deepEqual(clash.degraded, ['config.base-conflict']);
  const narrowed = await again({ ...WITH_LEDGER, remote: { allow: ['/log'] } });
  assert.deepEqual([narrowed.degraded, narrowed.running.config.ledger.maxBytes], [[], 64 * 1024 * 1024]);
});

test('what ran last stands in for a device.json that is not valid: nothing is changed on it, and nothing forgotten', async () => {
  const { remote, again } = await rig(FILE);
  await change(remote, 0, { host: { every: '45s' } });
  const standIn = { ...FILE, host: { every: '45s' } };
  const stood = await again(FILE, { standIn });
  assert.deepEqual([stood.running.value, stood.running.revision, stood.degraded], [standIn, 1, ['config.invalid']]);
  assert.equal(await codeOf(set(stood, 1, { log: { level: 'debug' } })), 'config.invalid');
  // The file is mended: what commands had put over it is there as before.
  await stood.reload();
  const mended = await stood.take();
  assert.deepEqual([mended.value['host'], mended.revision, stood.degraded], [{ every: '45s' }, 1, []]);
  await change(stood, 1, { log: { level: 'debug' } });
  const { value } = (await again(FILE)).running;
  assert.deepEqual([value['host'], value['log']], [{ every: '45s' }, { level: 'debug' }]);
});

test('a trial ends where what ran last stands in for device.json', async () => {
  const { remote, again } = await rig(FILE);
  await change(remote, 0, { log: { level: 'debug' } });
  assert.equal(await codeOf(set(remote, 1, { broker: { keepAlive: '20s' } }, 'w')), 'begun');
  const stood = await again(FILE, { standIn: { ...FILE, log: { level: 'debug' } } });
  assert.deepEqual([stood.report, stood.running.config.log.level], [{ revision: 1, phase: 'confirmed' }, 'debug']);
  assert.equal(stood.history.at(-1)?.outcome, 'reverted');
});

test('where the state is lost in both copies, what ran last still runs, and says so', async () => {
  const { remote, again, disk } = await rig(FILE);
  await change(remote, 0, { log: { level: 'debug' } });
  for (const name of ['state.json', 'state.json.old']) await disk.write(name, Buffer.from('torn'));
  const after = await again(FILE);
  assert.deepEqual(
    [after.running.config.log.level, after.degraded],
    ['debug', ['config.base-conflict', 'config.damaged']],
  );
});

test('a disk that gives a file no more keeps no agent from its start', async () => {
  const cases = [
    [/^state\.json$/, 'debug', []],
    [/^state/, 'debug', ['config.base-conflict', 'config.damaged']],
    [/^ov-2/, 'debug', ['config.base-conflict']],
    [/^(ov|last)/, 'info', ['config.base-conflict']],
  ] as const;
  for (const [names, level, degraded] of cases) {
    const { remote, again, disk } = await rig(FILE);
    await change(remote, 0, { log: { level: 'warn' } });
    await change(remote, 1, { log: { level: 'debug' } });
    const read = disk.read.bind(disk);
    disk.read = (name) => (names.test(name) ? Promise.reject(systemError('EIO')) : read(name));
    const after = await again(FILE);
    assert.deepEqual([names, after.running.config.log.level, after.degraded], [names, level, degraded]);
  }
});

test('a state that one start can not read costs nothing: the next one has it all again', async () => {
  for (const names of [/^state/, /^state\.json$/]) {
    const { remote, again, disk } = await rig(FILE);
    await change(remote, 0, { host: { every: '45s' } });
    await change(remote, 1, { log: { level: 'debug' } });
    const read = disk.read.bind(disk);
    disk.read = (name) => (names.test(name) ? Promise.reject(systemError('EIO')) : read(name));
    await (await again(FILE)).started(() => []);
    disk.read = read;
    const after = await again(FILE);
    assert.deepEqual([after.running.revision, after.running.config.log.level, after.degraded], [2, 'debug', []]);
  }
});

test('what runs although nothing says so is written down when it is set again', async () => {
  const patch = { log: { level: 'debug' } };
  for (const names of [['state.json', 'state.json.old'], ['ov-1-c0.json']]) {
    const { remote, again, disk } = await rig(FILE);
    await change(remote, 0, patch);
    for (const name of names) await disk.write(name, Buffer.from('torn'));
    const after = await again(FILE);
    assert.ok(after.degraded.includes('config.base-conflict'));
    const { revision } = after.running;
    await change(after, revision, patch);
    assert.deepEqual(after.degraded, []);
    const mended = await again(FILE);
    assert.deepEqual([mended.degraded, mended.running.config.log.level], [[], 'debug']);
    assert.equal(await codeOf(set(mended, revision + 1, patch)), 'same');
  }
});

test('a disk that takes nothing keeps no agent from its start, and ends what is on trial', async () => {
  const { remote, again, disk } = await rig(FILE);
  await change(remote, 0, { log: { level: 'debug' } });
  assert.equal(await codeOf(set(remote, 1, { broker: { keepAlive: '20s' } })), 'begun');
  disk.write = () => Promise.reject(systemError('ENOSPC'));
  disk.sync = () => Promise.reject(systemError('EROFS'));
  const after = await again(FILE);
  assert.deepEqual([after.running.revision, after.running.config.log.level, after.busy], [1, 'debug', undefined]);
  const read = disk.read.bind(disk);
  disk.read = async (name) => (name.startsWith('state.json') ? Buffer.from('torn') : read(name));
  assert.equal((await again(FILE)).running.config.log.level, 'debug');
});

test('another boot takes back what was on trial, and config.set hears why', async () => {
  const { remote, again } = await rig(FILE);
  assert.equal(await codeOf(set(remote, 0, { broker: { keepAlive: '20s' } })), 'begun');
  const same = await again(FILE);
  assert.deepEqual([same.running.revision, same.outcomeOf('config.set', 'c1')], [1, 'open']);
  const after = await again(FILE, { boot: 'c' });
  const outcome = after.outcomeOf('config.set', 'c1');
  assert.ok(typeof outcome === 'object' && outcome.outcome === 'reverted' && outcome.why.includes('booted'));
  assert.equal(after.running.revision, 0);
});

test('what is shown has no secrets', async () => {
  const { remote } = await rig(FILE);
  const text = JSON.stringify(await remote.describe());
  assert.ok(!text.includes('"ops"') && text.includes('"username":"***"'), text);
  // Whoever sends back what was shown would put the strokes in the place of the secret.
  const { remote: open } = await rig({ ...FILE, remote: { allow: ['/broker/username'] } });
  assert.equal(await codeOf(set(open, 0, { broker: { username: '***' } })), 'config.invalid');
  assert.equal(await codeOf(set(open, 0, { broker: { username: 'new' } })), 'begun');
});
