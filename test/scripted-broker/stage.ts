/**
 * A stage for the scripted broker: the built agent on a faster clock, a raw TCP line as its meter, real files, and the
 * broker with its consumer. `finish` ends the agent in good order and judges what the consumer got.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { AgentProcess } from '../../src/workbench/agent-process.ts';
import { Deliveries } from '../../src/workbench/deliveries.ts';
import { writeDeviceFile } from '../../src/workbench/device-file.ts';
import { openSerialServer } from '../../src/workbench/serial-server.ts';
import { builtProgram } from '../rig/agent-process.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { ScriptedBroker } from './broker.ts';
import type { Profile } from './profiles.ts';

export const DEADLINE_MS = 20_000;
const FAST_CLOCK = fileURLToPath(new URL('./fast-clock.mjs', import.meta.url));
/** Times faster than life: a minute of back-off is three seconds, and a stall of this machine no keep alive. */
const SPEED = 20;
const ROOT = 'fp/v1/pump-42';

export interface StageOptions {
  readonly profile: Profile;
  readonly protocol?: 4 | 5;
  /** Scales the agent's chance; below 1 its jitter is on the short side. Default 1: as in life. */
  readonly luck?: number;
  /** Telemetry fields that make `up/info` long. */
  readonly fields?: number;
  /** `ledger.receipts`: the test then sends them. */
  readonly receipts?: boolean;
  /** `commands` of device.json. */
  readonly commands?: Readonly<Record<string, 'on'>>;
}

export interface Status {
  /** In status.json alone. */
  readonly connected?: boolean;
  readonly ledger: {
    readonly last: number;
    readonly unsent: number;
    readonly unsettled: number;
    readonly dead: number;
  };
  readonly connection: {
    readonly failures: number;
    readonly takeovers: number;
    readonly last_end?: { readonly word: string; readonly text: string };
  };
  readonly degraded: readonly string[];
  readonly guarantee: { readonly word: string; readonly why: string } | null;
}

export interface Outcome {
  /** Sequence numbers of events that never came, the agent's own among them. */
  readonly lost: readonly number[];
  readonly repeats: number;
  readonly forks: number;
  readonly orderBreaks: number;
  /** What the agent's last word says is not handed over. */
  readonly unsent: number;
}

export interface ScriptedStage {
  readonly broker: ScriptedBroker;
  readonly agent: AgentProcess;
  /** Where its device.json is. */
  readonly config: string;
  /** Sells on a stream of its own each (`sale` or `alarm`); resolves when the meter has all answers. */
  readonly sell: (count: number, stream?: 'sale' | 'alarm') => Promise<void>;
  /** The agent's own event and every sale were completed with PUBCOMP, except those given. */
  readonly settled: (except?: readonly number[]) => Promise<void>;
  /** status.json as it is now. */
  readonly status: () => Promise<Status | undefined>;
  readonly statusWith: (what: string, holds: (status: Status) => boolean) => Promise<Status>;
  /** What the agent last said on `up/status`. */
  readonly saysWith: (what: string, holds: (status: Status) => boolean) => Promise<Status>;
  readonly log: (pattern: RegExp) => readonly string[];
  /** Source numbers of the sales that the consumer has, in order of arrival. */
  readonly delivered: () => readonly number[];
  readonly judge: () => Omit<Outcome, 'unsent'>;
  readonly finish: () => Promise<Outcome>;
}

/** The event that a source number became: the agent's own `ledger.epoch` is number 1. */
export function seqOf(source: number): number {
  return source + 1;
}

export async function setScriptedStage(t: TestContext, options: StageOptions): Promise<ScriptedStage> {
  const { profile, protocol = 5, luck = 1 } = options;
  const directory = await temporaryDirectory(t);
  const broker = new ScriptedBroker(profile);
  await broker.start();
  t.after(() => broker.stop());
  let heard = '';
  const line = await openSerialServer({
    opened: () => undefined,
    bytes: (bytes) => {
      heard += bytes.toString('latin1');
    },
  });
  t.after(() => line.close());
  const config = await writeDeviceFile(join(directory, 'device.json'), {
    device: 'pump-42',
    brokerPort: broker.port,
    protocol,
    ledgerDirectory: join(directory, 'ledger'),
    line: line.port,
  });
  await changeDeviceFile(config, options);
  const [node, built] = builtProgram();
  const agent = new AgentProcess({
    program: [node, '--import', FAST_CLOCK, built],
    config,
    env: {
      FIELDPOST_TEST_SPEED: String(SPEED),
      FIELDPOST_TEST_LUCK: String(luck),
      RUNTIME_DIRECTORY: join(directory, 'status'),
    },
  });
  t.after(() => agent.kill9());
  agent.start();
  let sold = 0;
  const judge = (): Omit<Outcome, 'unsent'> => judged(broker, sold);
  const status: ScriptedStage['status'] = async () => {
    const text = await readFile(join(directory, 'status/status.json'), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : (JSON.parse(text) as Status);
  };
  return {
    broker,
    agent,
    config,
    judge,
    status,
    sell: async (count, stream = 'sale') => {
      const first = sold + 1;
      sold += count;
      const sales = Array.from({ length: count }, (_, at) => saleLine(first + at, stream)).join('');
      await until(() => line.write(sales), 'the agent on the line', DEADLINE_MS);
      await until(
        () => heard.includes(`ACK a1 ${sold}\n`),
        () => `the answer to sale ${sold}`,
        DEADLINE_MS,
      );
    },
    settled: async (except = []) => {
      const open = (): number[] =>
        Array.from({ length: sold + 1 }, (_, at) => at + 1).filter(
          (seq) => !broker.completed.has(seq) && !except.includes(seq),
        );
      await until(
        () => open().length === 0,
        () => `PUBCOMP of ${open().join()}\n${tail(agent)}`,
        DEADLINE_MS,
      );
    },
    statusWith: (what, holds) =>
      until(
        async () => {
          const seen = await status();
          return seen !== undefined && holds(seen) ? seen : undefined;
        },
        () => `${what} in status.json\n${tail(agent)}`,
        DEADLINE_MS,
      ),
    saysWith: (what, holds) =>
      until(
        () => {
          const said = broker.onward.findLast(({ topic }) => topic === `${ROOT}/up/status`);
          const seen = said === undefined ? undefined : (JSON.parse(said.payload.toString('utf8')) as Status);
          return seen !== undefined && holds(seen) ? seen : undefined;
        },
        () => `${what} on up/status\n${tail(agent)}`,
        DEADLINE_MS,
      ),
    log: (pattern) => agent.child.lines.filter((said) => pattern.test(said)),
    delivered: () => salesOf(broker),
    finish: async () => {
      await agent.term();
      const last = agent.child.lines.find((said) => said.includes('fieldpost stopped')) ?? '';
      const unsent = Number(/unsent=(\d+)/.exec(last)?.[1] ?? Number.NaN);
      assert.ok(!Number.isNaN(unsent), `the agent did not end in good order\n${tail(agent)}`);
      return { ...judge(), unsent };
    },
  };
}

interface Route {
  readonly event?: object;
  readonly telemetry?: { readonly every: string; readonly fields: object };
}

/**
 * A second stream, so that one can be refused alone; a keep alive that the faster clock does not make too short; and a
 * heartbeat of a second of this clock.
 */
async function changeDeviceFile(
  path: string,
  { fields = 0, receipts = false, commands = {} }: StageOptions,
): Promise<void> {
  const document = JSON.parse(await readFile(path, 'utf8')) as {
    readonly broker: object;
    readonly ledger: object;
    readonly sensors: readonly [{ readonly routes: readonly Route[] }];
  };
  const [sensor] = document.sensors;
  const sale = sensor.routes.find((route) => route.event !== undefined);
  const alarm = { ...sale, when: { k: 'alarm' }, event: { ...sale?.event, stream: 'alarm' } };
  const names = Array.from({ length: fields }, (_, at) => [`temperature_${at}`, { from: 't', unit: 'Cel' }] as const);
  const long = { when: { k: 'long' }, telemetry: { every: '1h', fields: Object.fromEntries(names) } };
  const changed = {
    ...document,
    broker: { ...document.broker, keepAlive: '1h', connectTimeout: '1m', heartbeat: '20s' },
    ledger: { ...document.ledger, ...(receipts ? { receipts } : {}) },
    sensors: [{ ...sensor, routes: [...sensor.routes, alarm, ...(fields > 0 ? [long] : [])] }],
    commands,
    log: { level: 'debug' },
  };
  await writeFile(path, JSON.stringify(changed));
}

function saleLine(seq: number, stream: 'sale' | 'alarm'): string {
  return `${JSON.stringify({ k: stream, boot: 'a1', seq, ml: seq, cents: seq })}\n`;
}

function salesOf(broker: ScriptedBroker): number[] {
  return eventsOf(broker).flatMap((payload) => {
    const { source } = JSON.parse(payload.toString('utf8')) as { readonly source?: { readonly seq: string } };
    return source === undefined ? [] : [Number(source.seq)];
  });
}

function eventsOf(broker: ScriptedBroker): Buffer[] {
  return broker.onward.filter(({ topic }) => topic.startsWith(`${ROOT}/up/event/`)).map(({ payload }) => payload);
}

function judged(broker: ScriptedBroker, sold: number): Omit<Outcome, 'unsent'> {
  const deliveries = new Deliveries();
  for (const payload of eventsOf(broker)) deliveries.take(payload);
  const came = new Set(
    eventsOf(broker).map((payload) => (JSON.parse(payload.toString('utf8')) as { seq: number }).seq),
  );
  const lost = Array.from({ length: seqOf(sold) }, (_, at) => at + 1).filter((seq) => !came.has(seq));
  const { repeats, forks, orderBreaks } = deliveries.figures;
  return { lost, repeats, forks, orderBreaks };
}

function tail(agent: AgentProcess): string {
  return agent.child.lines.slice(-15).join('\n');
}
