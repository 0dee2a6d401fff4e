/** A schedule that would change the configuration each second, put there by command: the same way it can be taken back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../rig/wait.ts';
import { ask, configure, type Document, ROOT } from './operator.ts';
import { type Stage, setStage } from './stage.ts';

const DEADLINE_MS = 20_000;

test('a schedule that sets the configuration each second leaves the operator the time to take it back', async (t) => {
  const stage = await setStage(t);
  await configure(stage, () => ({
    commands: { 'config.set': 'on', 'config.cancel': 'on' },
    remote: { allow: ['/broker/keepAlive', '/schedule'] },
  }));
  stage.agent.start();
  await until(() => online(stage, { revision: 0, phase: 'confirmed' }), 'the device online', DEADLINE_MS);
  const starts = (): number => stage.agent.child.lines.filter((line) => line.includes('fieldpost starts')).length;
  const each = { cron: '* * * * * *' };
  const trial = {
    ...each,
    command: 'config.set',
    args: { base: 1, patch: { broker: { keepAlive: '20s' } }, within: '10s' },
  };
  const schedule = [trial, { ...each, command: 'config.cancel' }, { ...each, command: 'ping' }];
  assert.equal((await ask(stage, 'config.set', 's1', { base: 0, patch: { schedule } }))['status'], 'succeeded');
  // Each ping comes with a second in which the other two would have run.
  const pings = new Set<string>();
  await until(
    () => {
      for (const { topic } of stage.seen()) if (topic.includes('/response/ping/schedule.2.')) pings.add(topic);
      return pings.size >= 3;
    },
    'three seconds of the schedule',
    DEADLINE_MS,
  );
  assert.equal(starts(), 2);
  assert.deepEqual(
    stage.seen().filter(({ topic }) => /response\/config\.[a-z]+\/schedule\./.test(topic)),
    [],
  );
  assert.equal((await ask(stage, 'config.set', 's2', { base: 1, patch: { schedule: [] } }))['status'], 'succeeded');
  assert.equal(starts(), 3);
});

function online(stage: Stage, config: Document): boolean {
  const newest = stage.seen().findLast(({ topic }) => topic === `${ROOT}/up/status`)?.payload;
  const said = newest?.['config'] as Document | undefined;
  return newest?.['state'] === 'online' && Object.entries(config).every(([key, value]) => said?.[key] === value);
}
