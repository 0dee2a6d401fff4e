/**
 * Response topics that a broker would end the link over, on a real Mosquitto: whoever may publish one command must not be able
 * to cut the device off with it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Child } from '../../src/workbench/child.ts';
import { until } from '../rig/wait.ts';
import { configure, finalResponse, ROOT } from './operator.ts';
import { type Stage, setStage } from './stage.ts';

const RESPONSES = `${ROOT}/up/response`;

test('a response topic of more levels than a broker takes costs neither the link nor the answer', async (t) => {
  const stage = await setStage(t);
  await configure(stage, () => ({
    commands: { 'telemetry.resume': 'on' },
    topics: { responsePrefix: 'ops/answers' },
  }));
  stage.agent.start();
  await until(() => connects(stage) === 1, 'the first link', 15_000);
  const deep = [
    `${RESPONSES}/${'/'.repeat(300)}`,
    `${RESPONSES}/${'a/'.repeat(201)}a`,
    `ops/answers/${'a/'.repeat(198)}a`,
  ];
  for (const [at, topic] of deep.entries()) {
    for (const command of ['ping', 'telemetry.resume']) {
      await requestTo(stage, command, `deep${at}`, topic);
      assert.equal((await finalResponse(stage, command, `deep${at}`))['status'], 'succeeded');
    }
  }
  await requestTo(stage, 'ping', 'near', `${RESPONSES}/desk/7`);
  await until(() => stage.seen().some(({ topic }) => topic === `${RESPONSES}/desk/7`), 'the answer', 15_000);
  // A sale brings a status behind it: by then a link that was cut would have been counted.
  await stage.meter('{"k":"sale","boot":"a1","seq":1,"ml":5,"cents":9}');
  await until(() => stage.seen().some(({ topic }) => topic === `${ROOT}/up/event/sale`), 'the sale', 15_000);
  assert.equal(connects(stage), 1);
});

async function requestTo(stage: Stage, command: string, id: string, responseTopic: string): Promise<void> {
  const topic = `${ROOT}/down/command/${command}/${id}`;
  const request = ['-V', '5', '-q', '1', '-t', topic, '-m', '{}', '-D', 'publish', 'response-topic', responseTopic];
  const child = new Child({ command: 'mosquitto_pub', args: [...stage.operatorArgs, ...request] });
  assert.equal((await child.exited).code, 0, child.lastWords());
}

/** As the newest status counts them. */
function connects(stage: Stage): unknown {
  return stage.seen().findLast(({ topic, payload }) => topic === `${ROOT}/up/status` && payload['state'] === 'online')
    ?.payload['connects'];
}
