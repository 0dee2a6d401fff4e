/** The operator's part in tests of the whole agent: commands by plain mosquitto clients, and what was answered. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { Child } from '../../src/workbench/child.ts';
import { until } from '../rig/wait.ts';
import type { Stage } from './stage.ts';

export const ROOT = 'fp/v1/pump-42';

export type Document = Readonly<Record<string, unknown>>;

/** Changes keys of device.json. */
export async function configure(stage: Stage, change: (document: Record<string, unknown>) => object): Promise<void> {
  const document = JSON.parse(await readFile(stage.config, 'utf8')) as Record<string, unknown>;
  await writeFile(stage.config, JSON.stringify({ ...document, ...change(document) }));
}

/** Publishes a request; `command` and `id` as in its topic. */
export async function request(stage: Stage, command: string, id: string, args: object = {}): Promise<void> {
  const topic = `${ROOT}/down/command/${command}/${id}`;
  const child = new Child({
    command: 'mosquitto_pub',
    args: [...stage.operatorArgs, '-q', '1', '-t', topic, '-m', JSON.stringify({ args })],
  });
  assert.equal((await child.exited).code, 0, child.lastWords());
}

/** Every response to it so far, in order. */
export function responses(stage: Stage, command: string, id: string): readonly Document[] {
  const topic = `${ROOT}/up/response/${command}/${id}`;
  return stage
    .seen()
    .filter((one) => one.topic === topic)
    .map(({ payload }) => payload);
}

/** The first response that is no progress. */
export async function finalResponse(stage: Stage, command: string, id: string, deadlineMs = 20_000): Promise<Document> {
  return until(
    () => responses(stage, command, id).find(({ status }) => status !== 'executing' && status !== 'accepted'),
    () =>
      `the end of ${command}; so far ${JSON.stringify(responses(stage, command, id))}; ${stage.agent.child.lastWords()}`,
    deadlineMs,
  );
}

/** Asks and waits for the end. */
export async function ask(stage: Stage, name: string, id: string, args: object = {}): Promise<Document> {
  await request(stage, name, id, args);
  return finalResponse(stage, name, id);
}
