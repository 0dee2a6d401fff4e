/** A broker that ends the link over one answer: whatever its reason is, that answer must not cost the device every link. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PACKET_TYPE } from '../../src/workbench/packet-splitter.ts';
import { until } from '../rig/wait.ts';
import { MOSQUITTO_2_0_20 } from '../scripted-broker/profiles.ts';
import { DEADLINE_MS, type ScriptedStage, setScriptedStage } from '../scripted-broker/stage.ts';

const CLEAN = { lost: [], repeats: 0, forks: 0, orderBreaks: 0, unsent: 0 };
const ROOT = 'fp/v1/pump-42';
const BAD = `${ROOT}/up/response/telemetry.resume/bad`;

for (const protocol of [5, 4] as const) {
  test(`an answer that ends each link is given up, and the next is heard, over MQTT ${protocol === 5 ? '5' : '3.1.1'}`, async (t) => {
    const commands = { 'telemetry.resume': 'on' } as const;
    const stage = await setScriptedStage(t, { profile: MOSQUITTO_2_0_20, protocol, commands });
    let cuts = 0;
    let listening = 0;
    stage.broker.script.inbound = (type, packet) => {
      if (type === PACKET_TYPE.subscribe && packet.includes('/down/#')) listening = stage.broker.connections;
      if (type !== PACKET_TYPE.publish || !packet.includes(BAD)) return undefined;
      cuts += 1;
      return { bytes: 0, how: 'end' };
    };
    await until(() => listening > 0, 'the first link', DEADLINE_MS);
    ask(stage, 'bad');
    await until(() => stage.log(/answer given up/).length > 0, 'the end of the tries', DEADLINE_MS);
    // On the first link `accepted` may be cut off alone, before there is an answer.
    assert.ok(cuts === 3 || cuts === 4, `${cuts} links`);
    await stage.sell(1);
    await until(() => came(stage, 'up/event/sale'), 'the sale', DEADLINE_MS);
    await until(() => listening === stage.broker.connections, 'the newest link', DEADLINE_MS);
    const { connections } = stage.broker;
    ask(stage, 'good');
    await until(() => came(stage, 'up/response/telemetry.resume/good'), 'an answer', DEADLINE_MS);
    assert.equal(stage.broker.connections, connections);
    // The sale, the agent's own first event, and an audit event of each command.
    await stage.saysWith('nothing unsent', ({ ledger }) => ledger.last === 4 && ledger.unsent === 0);
    assert.deepEqual(await stage.finish(), CLEAN);
  });
}

function ask(stage: ScriptedStage, id: string): void {
  stage.broker.say(`${ROOT}/down/command/telemetry.resume/${id}`, Buffer.from('{}'));
}

function came(stage: ScriptedStage, below: string): boolean {
  return stage.broker.onward.some(({ topic }) => topic === `${ROOT}/${below}`);
}
