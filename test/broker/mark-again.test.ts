/**
 * A session that can not be marked on a failing disk: no event leaves, the device stays reachable, and what the broker holds
 * is never taken for the session that the disk still knows.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROKER, MarkedDisk, SessionBroker, startDevice } from './session-broker.ts';

/** Of the mark that the disk has at the start. */
const OLD = 7;
const HOUR_MS = 3_600_000;

for (const protocol of [5, 4] as const) {
  const version = protocol === 5 ? 'MQTT 5' : 'MQTT 3.1.1';

  test(`a session in the place of one that the broker lost is not taken for it where one mark failed: ${version}`, async (t) => {
    const broker = new SessionBroker();
    const disk = new MarkedDisk();
    broker.forget();
    disk.fails = 1;
    const device = startDevice(broker, disk, protocol);
    t.after(() => device.connection.stop());
    await device.pass(20_000);
    assert.deepEqual(
      device.ups.filter(({ held }) => held === undefined),
      [{ generation: OLD + 1, held: undefined, sessionPresent: false }],
    );
    assert.deepEqual(
      broker.connects.map(({ cleanStart }) => cleanStart),
      [false, true, false],
      'found gone, thrown away, made anew',
    );
    assert.deepEqual([disk.session?.generation, disk.session?.phase], [OLD + 1, 'open']);
  });

  test(`nor by a process that starts while no mark can be written, or after it: ${version}`, async (t) => {
    const broker = new SessionBroker();
    const disk = new MarkedDisk();
    broker.forget();
    disk.fails = Infinity;
    const killed = startDevice(broker, disk, protocol);
    await killed.pass(60_000);
    // SIGKILL: the link is gone, and nothing of that process happens any more.
    broker.cut();
    assert.equal(disk.session?.generation, OLD);
    disk.fails = 0;
    const device = startDevice(broker, disk, protocol);
    t.after(() => device.connection.stop());
    await device.pass(20_000);
    assert.deepEqual(
      [...killed.ups, ...device.ups].filter(({ held }) => held === undefined),
      [{ generation: OLD + 1, held: undefined, sessionPresent: false }],
    );
  });

  test(`nor by a link that comes before the disk has answered: ${version}`, async (t) => {
    const broker = new SessionBroker();
    const disk = new MarkedDisk();
    broker.forget();
    disk.fails = 1;
    let answer = (): void => undefined;
    disk.hangs = new Promise((resolve) => {
      answer = resolve;
    });
    const device = startDevice(broker, disk, protocol);
    t.after(() => device.connection.stop());
    await device.pass(1000);
    broker.cut();
    await device.pass(5000);
    answer();
    await device.pass(20_000);
    assert.deepEqual(
      device.ups.filter(({ held }) => held === undefined).map(({ generation }) => generation),
      [OLD + 1],
    );
  });

  test(`a device whose disk takes no mark for an hour stays reachable on one link, and events leave soon after: ${version}`, async (t) => {
    const broker = new SessionBroker();
    const disk = new MarkedDisk();
    broker.forget();
    disk.fails = Infinity;
    const device = startDevice(broker, disk, protocol);
    t.after(() => device.connection.stop());
    await device.pass(HOUR_MS);
    assert.ok(device.linkedMs() >= HOUR_MS - 2000, `${device.linkedMs()} ms`);
    // The one that found the session gone, and the one that stayed.
    assert.equal(broker.connects.length, 2);
    assert.deepEqual(device.ups, [{ generation: OLD, held: 'EIO', sessionPresent: false }]);
    disk.fails = 0;
    await device.pass(12_000);
    assert.deepEqual(device.ups.at(-1), { generation: OLD + 1, held: undefined, sessionPresent: false });
  });

  test(`a device that has had no session yet, on a disk that takes no mark, stays on its link until it does: ${version}`, async (t) => {
    const broker = new SessionBroker();
    const disk = new MarkedDisk();
    disk.session = undefined;
    disk.fails = 5;
    const device = startDevice(broker, disk, protocol);
    t.after(() => device.connection.stop());
    await device.pass(30_000);
    assert.equal(broker.connects.length, 1);
    assert.deepEqual(device.ups, [{ generation: 0, held: 'EIO', sessionPresent: true }]);
    await device.pass(30_000);
    assert.deepEqual(device.ups.at(-1), { generation: 1, held: undefined, sessionPresent: false });
    assert.equal(device.ups.length, 2);
  });

  test(`what one broker remembers too well is not taken for what its stand-in knows, where the disk refuses its mark at first: ${version}`, async (t) => {
    const standIn = 'mqtts://127.0.0.2';
    const broker = new SessionBroker();
    const disk = new MarkedDisk();
    broker.forget();
    const device = startDevice(broker, disk, protocol, [BROKER, standIn]);
    t.after(() => device.connection.stop());
    await device.pass(10_000);
    broker.down.add(BROKER);
    device.connection.abandonSession('an identifier is in use');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(disk.session?.phase, 'opening');
    disk.fails = 1;
    await device.pass(60_000);
    assert.deepEqual(disk.begun.at(-1), { broker: standIn, forgotten: true });
    assert.equal(device.ups.at(-1)?.held, undefined);
  });
}
