/** The commands of the configuration, as they are asked and as they answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Document } from '../../src/command/command.ts';
import { ConfigChange } from '../../src/command/config-change.ts';
import { configReadCommands } from '../../src/command/config-read.ts';
import { FILE, rig } from '../remote/rig.ts';
import { asker } from './asker.ts';

test('a change is planned, set, confirmed by its token, listed and rolled back', async () => {
  const { remote, clock, switches } = await rig(FILE);
  const told: Document[] = [];
  const after: (() => void)[] = [];
  let confirmed = 0;
  const change = new ConfigChange({
    clock,
    changes: remote,
    busy: () => undefined,
    onConfirmed: () => {
      confirmed += 1;
    },
  });
  const ask = asker(
    [...configReadCommands(remote), ...change.commands],
    (run) => void after.push(run),
    (members) => {
      told.push(members);
      return Promise.resolve();
    },
  );
  const patch = { broker: { keepAlive: '20s' } };
  assert.match(String(await ask('config.set', { patch })), /args\/base: must be given/);
  assert.match(String(await ask('config.set', { base: 0, patch, within: '1s' })), /a duration, 10s to 1h/);
  assert.match(String(await ask('config.set', { base: 0, patch: { device: { id: 'x' } } })), /device\/id/);
  const plan = (await ask('config.plan', { patch })) as Document;
  assert.deepEqual([plan['changed'], plan['confirm']], [['/broker/keepAlive'], 'operator']);
  const setting = ask('config.set', { base: 0, patch, within: '60s' });
  while (switches() === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(told.at(-1)?.['phase'], 'applying');
  // The link of the old configuration tells no token.
  change.linkReady();
  assert.equal(told.at(-1)?.['phase'], 'applying');
  await remote.take();
  change.linkReady();
  const { phase, token, revert_at: until } = told.at(-1) ?? {};
  assert.deepEqual([phase, until], ['probation', new Date(clock.wallMs() + 60_000).toISOString()]);
  const result = await ask('config.confirm', { token });
  assert.deepEqual(await setting, result);
  assert.deepEqual(await ask('config.confirm', { token }), result);
  for (const run of after) run();
  assert.equal(confirmed, 1);
  const { history } = (await ask('config.history')) as { readonly history: readonly Document[] };
  assert.deepEqual(
    history.map(({ revision, outcome }) => [revision, outcome]),
    [[1, 'confirmed']],
  );
  const got = (await ask('config.get')) as Document;
  assert.deepEqual([got['revision'], got['overlay']], [1, patch]);
  assert.match(String(await ask('config.cancel')), /nothing is on trial/);
  assert.match(String(await ask('config.rollback', { base: 0 })), /base must be 1/);
});

test('a change that is cancelled before the agent runs on it ends, and says so', async () => {
  const { remote, clock, switches } = await rig(FILE);
  const noLink = (): Promise<void> => new Promise(() => undefined);
  const change = new ConfigChange({ clock, changes: remote, busy: () => undefined, onConfirmed: () => undefined });
  const ask = asker(change.commands, () => undefined, noLink);
  const setting = ask('config.set', { base: 0, patch: { broker: { keepAlive: '20s' } } });
  while (remote.busy === undefined) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await ask('config.cancel'), { reverted: 1 });
  clock.pass(10_000);
  assert.match(String(await setting), /revision 1 was taken back: cancelled by command/);
  assert.equal(switches(), 0);
});
