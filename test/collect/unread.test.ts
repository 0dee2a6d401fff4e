/** What is kept of a device and the disk does not give: the collector ends, rather than to write over it and to say receipts without it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../src/fault.ts';
import { stateStore } from '../../src/platform/state-store.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { NO_LOG } from '../state/count.ts';
import { makeUnreadable } from '../state/unreadable.ts';
import { device, openDesk } from './rig.ts';

test('a collector that can not read what it knows of a device does not start, and does when it can', async (t) => {
  const out = await temporaryDirectory(t);
  const { collector, leave } = await openDesk(t, out);
  collector.take('a', 'up/event/sale', device('a', 'A2')(1));
  await collector.flush();
  leave();
  const facts = { epoch: 'A2', oldEpoch: 'A1', oldLast: 3 };
  const document = await stateStore(out, NO_LOG).open<unknown>('device-a', () => undefined, {});
  await document.write({ epochs: [facts], keys: [] });
  const disk = await makeUnreadable(out, 'device-a');
  await assert.rejects(openDesk(t, out), (error) => error instanceof Fault && error.code === 'state.disk');
  assert.ok(await disk.isUntouched());
  await disk.restore();
  const again = await openDesk(t, out);
  assert.deepEqual(again.collector.devices[0]?.book.records, [facts]);
});

test('a device that comes while what is known of it can not be read ends the collector, and nothing is acknowledged', async (t) => {
  const out = await temporaryDirectory(t);
  const { collector, happened } = await openDesk(t, out);
  const disk = await makeUnreadable(out, 'device-b');
  collector.take('b', 'up/event/sale', device('b', 'B1')(1));
  await collector.flush();
  assert.match(happened.join('\n'), /failed: .*device-b: can not be read: ELOOP/);
  assert.ok(!happened.includes('release'));
  assert.equal(collector.figures.unreadable, 0);
  assert.ok(await disk.isUntouched());
});
