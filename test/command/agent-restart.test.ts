/** `agent.restart`: once the answer has left, or after a while without; and only when it was ordered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentRestartCommand } from '../../src/command/agent-restart.ts';
import { HandClock } from '../sensor-rig.ts';
import { type Ask, asker } from './asker.ts';

function bench(fault?: string): { clock: HandClock; answered: () => void; ends: () => number; ask: Ask } {
  const clock = new HandClock();
  let ends = 0;
  const after: (() => void)[] = [];
  const command = agentRestartCommand({
    clock,
    restart: () => {
      ends += 1;
    },
    startFault: () => Promise.resolve(fault),
  });
  return {
    clock,
    answered: () => after.forEach((run) => run()),
    ends: () => ends,
    ask: asker([command], (run) => after.push(run)),
  };
}

test('the process is asked to end when the answer has left, once', async () => {
  const { clock, answered, ends, ask } = bench();
  assert.deepEqual(await ask('agent.restart'), {});
  assert.equal(ends(), 0);
  answered();
  answered();
  clock.pass(60_000);
  assert.equal(ends(), 1);
});

test('an answer that does not leave in ten seconds is not waited for', async () => {
  const { clock, ends, ask } = bench();
  await ask('agent.restart');
  await ask('agent.restart');
  clock.pass(9999);
  assert.equal(ends(), 0);
  clock.pass(1);
  assert.equal(ends(), 1);
});

test('agent.restart takes no arguments', async () => {
  const { clock, ask } = bench();
  assert.match(String(await ask('agent.restart', { in: '5s' })), /args\/in: must be left out/);
  assert.equal(clock.timers, 0);
});

test('a process that could not start again is not ended', async () => {
  const { clock, answered, ends, ask } = bench('device.json:1:7: must be JSON');
  assert.equal(await ask('agent.restart'), 'device.json:1:7: must be JSON');
  answered();
  clock.pass(60_000);
  assert.equal(ends(), 0);
});
