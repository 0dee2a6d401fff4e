/** A new configuration, and with it a new agent in the same process: status.json is its own, whatever the one before waited for. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { MOSQUITTO_2_0_20 } from '../scripted-broker/profiles.ts';
import { until } from '../rig/wait.ts';
import { DEADLINE_MS, setScriptedStage } from '../scripted-broker/stage.ts';

const HEARTBEAT_MS = 15_000;

test('an agent that was stopped while a stream was paused does not write its status over that of the next one', async (t) => {
  const stage = await setScriptedStage(t, { profile: MOSQUITTO_2_0_20 });
  await stage.sell(1);
  await stage.settled();
  stage.broker.script.refuse = ({ topic }) => (topic.endsWith('/alarm') ? 0x87 : undefined);
  await stage.sell(1, 'alarm');
  await stage.statusWith('the forbidden stream', ({ degraded }) => degraded.length > 0);
  delete stage.broker.script.refuse;
  const [pause = ''] = stage.log(/broker forbids a stream/);
  const pauseMs = Number(/retry_in_ms=(\d+)/.exec(pause)?.[1]);
  const config = stage.config;
  const document = JSON.parse(await readFile(config, 'utf8')) as { readonly broker: object };
  await writeFile(
    config,
    JSON.stringify({ ...document, broker: { ...document.broker, heartbeat: `${HEARTBEAT_MS}ms` } }),
  );
  stage.agent.child.signal('SIGHUP');
  await until(() => stage.log(/fieldpost starts/).length === 2, 'the next agent', DEADLINE_MS);
  await stage.statusWith('its status', ({ connected, degraded }) => connected === true && degraded.length === 0);
  const statuses = (): number => stage.broker.onward.filter(({ topic }) => topic.endsWith('up/status')).length;
  const before = statuses();
  const beats = Math.ceil(pauseMs / HEARTBEAT_MS) + 2;
  await until(() => statuses() >= before + beats, 'heartbeats until after the pause', DEADLINE_MS);
  assert.equal((await stage.status())?.connected, true);
});
