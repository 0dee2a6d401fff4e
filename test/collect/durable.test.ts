/** What the collector has said and acknowledged is on stable storage, at whichever moment it is killed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateStore } from '../../src/ports.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { device, field, openDesk } from './rig.ts';

/** Documents whose writes wait for `go`. */
function slowState(state: StateStore): {
  readonly state: StateStore;
  readonly waiting: () => number;
  readonly go: () => void;
} {
  let waiting = 0;
  let go = (): void => undefined;
  const gone = new Promise<void>((resolve) => (go = resolve));
  const slow: StateStore = {
    open: async (name, parse, initial) => {
      const document = await state.open(name, parse, initial);
      return {
        get value() {
          return document.value;
        },
        write: async (value) => {
          waiting += 1;
          await gone;
          await document.write(value);
        },
      };
    },
  };
  return { state: slow, waiting: () => waiting, go };
}

test('which epoch followed which is on disk before the event that says so is kept or acknowledged', async (t) => {
  const out = await temporaryDirectory(t);
  const slow: { waiting?: () => number; go?: () => void } = {};
  const first = await openDesk(t, out, ({ state }) => Object.assign(slow, slowState(state)));
  const [old, fresh] = [device('pump-42', 'ZZ'), device('pump-42', 'BB')];
  for (let seq = 1; seq <= 3; seq += 1) first.collector.take('pump-42', 'up/event/sale', old(seq));
  const data = { epoch: field('BB'), old_epoch: field('ZZ'), old_last: field('3') };
  const follows = fresh(1, { stream: 'agent', type: 'ledger.epoch', data });
  first.collector.take('pump-42', 'up/event/agent', follows);
  const written = first.collector.flush();
  await until(() => slow.waiting?.() === 1, 'the document to be written', 5000);
  assert.deepEqual(first.happened, []);
  assert.equal(first.store.index('pump-42', 'BB').had.size, 0);
  slow.go?.();
  await written;
  assert.deepEqual(first.happened, ['release']);
  first.leave();

  const second = await openDesk(t, out);
  assert.deepEqual(second.collector.devices[0]?.book.epochs, ['ZZ', 'BB']);
});

test('a document that can not be written ends the collector, and nothing is acknowledged', async (t) => {
  const out = await temporaryDirectory(t);
  const { collector, happened } = await openDesk(t, out, ({ state }) => ({
    state: {
      open: async (name, parse, initial) => {
        const { value } = await state.open(name, parse, initial);
        return { value, write: () => Promise.reject(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })) };
      },
    },
  }));
  const data = { epoch: field('BB'), old_epoch: field('ZZ'), old_last: field('3') };
  collector.take(
    'pump-42',
    'up/event/agent',
    device('pump-42', 'BB')(1, { stream: 'agent', type: 'ledger.epoch', data }),
  );
  await assert.rejects(collector.flush(), /ENOSPC/);
  await until(() => happened.length > 0, 'the failure', 5000);
  assert.deepEqual(happened, ['failed: Error: ENOSPC']);
});
