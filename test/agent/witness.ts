/** What the witness of a stage has seen of the device, and requests by mosquitto_rr, which shows the first response. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Child } from '../../src/workbench/child.ts';
import { until } from '../rig/wait.ts';
import { type Document, ROOT } from './operator.ts';
import type { Seen, Stage } from './stage.ts';

export const DEADLINE_MS = 20_000;
export function seenOn(stage: Stage, topic: string): readonly Seen[] {
  return stage.seen().filter((one) => one.topic === `${ROOT}/${topic}`);
}

export async function seen(
  stage: Stage,
  topic: string,
  fits: (payload: Document) => boolean = () => true,
): Promise<Seen> {
  return until(
    () => seenOn(stage, topic).find((one) => fits(one.payload)),
    () =>
      `such a message on ${topic}; last ${JSON.stringify(seenOn(stage, topic).at(-1))}; ${stage.agent.child.lastWords()}`,
    DEADLINE_MS,
  );
}

/** Of what a device says of a command; the rest comes before it. */
function isFinal({ status }: Document): boolean {
  return status !== 'accepted' && status !== 'executing';
}

/** One request by mosquitto_rr, as an operator would send it; the answer as it came, or the final one after it. */
export async function ask(
  t: TestContext,
  stage: Stage,
  command: string,
  id: string,
  payload: string,
  version: '5' | '311',
): Promise<Document> {
  const message = payload === '' ? ['-n'] : ['-m', payload];
  const args = ['-V', version, '-W', '10', '-q', '1', '-t', `${ROOT}/down/command/${command}/${id}`, ...message];
  const child = new Child({
    command: 'mosquitto_rr',
    args: [...stage.operatorArgs, ...args, '-e', `${ROOT}/up/response/${command}/${id}`],
  });
  t.after(() => child.kill9());
  const { code } = await child.exited;
  assert.equal(code, 0, child.lastWords());
  const answer = JSON.parse(child.outLines.join('\n')) as Document;
  return isFinal(answer) ? answer : (await seen(stage, `up/response/${command}/${id}`, isFinal)).payload;
}

/** The result of a request that must succeed. */
export async function resultOf(
  t: TestContext,
  stage: Stage,
  command: string,
  id: string,
  args: object = {},
): Promise<Document> {
  await ask(t, stage, command, id, JSON.stringify({ args }), '5');
  // What takes its time is first said to be executing.
  const { payload } = await seen(stage, `up/response/${command}/${id}`, isFinal);
  assert.equal(payload['status'], 'succeeded', JSON.stringify(payload));
  return payload['result'] as Document;
}
