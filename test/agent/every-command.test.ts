/**
 * Every command there is, on a real Mosquitto with mutual TLS: once by `fieldpost command` over MQTT 5, once by
 * mosquitto_pub over 3.1.1. Each answers as docs/COMMANDS.md says, in result and error code.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import * as v from 'valibot';
import { allCommands } from '../../.ci/command-list.ts';
import type { Command } from '../../src/command/command.ts';
import { DESK_ERRORS } from '../../src/command/desk-errors.ts';
import { COMMAND_NAMES, type CommandName } from '../../src/config/command-names.ts';
import { Child } from '../../src/workbench/child.ts';
import { until } from '../rig/wait.ts';
import { configure, type Document, finalResponse, ROOT } from './operator.ts';
import { setStage, type Stage } from './stage.ts';

const DEADLINE_MS = 20_000;
const PROGRAM = join(import.meta.dirname, '../../dist/fieldpost.mjs');
/** The agent takes thirty at once and sixty a minute; a new process begins anew. */
const ASKS_OF_A_LIFE = 25;

/** What each is asked, and the code of its error where this device can only refuse it. */
const ASKED: Readonly<Record<CommandName, readonly [args: Document, code?: string]>> = {
  ping: [{}],
  'status.get': [{}],
  'info.get': [{}],
  'metrics.get': [{}],
  'certificate.status': [{}],
  'doctor.run': [{}],
  'certificate.csr': [{}],
  'certificate.install': [{ certificate: 'none' }, 'certificate.invalid'],
  'events.stat': [{}],
  'events.dead': [{}],
  'events.replay': [{ from: 1, to: 1 }],
  'events.retry': [{}],
  'events.abandon': [{ seq: 1 }, 'events.unknown'],
  'sensor.list': [{}],
  'sensor.read': [{ sensor: 'pump' }],
  'sensor.restart': [{ sensor: 'pump' }],
  'sensor.capture': [{ sensor: 'pump', seconds: 1 }],
  'serial.write': [{ sensor: 'pump', template: 'none' }, 'serial.template'],
  'diagnostics.collect': [{}],
  'schedule.list': [{}],
  'schedule.run': [{ index: 0 }],
  'log.level': [{ level: 'debug', for: '1s' }],
  'log.tail': [{ for: '1s' }],
  'telemetry.pause': [{ for: '1s' }],
  'telemetry.resume': [{}],
  'config.get': [{}],
  'config.plan': [{ patch: { log: { level: 'debug' } } }],
  'config.history': [{}],
  'config.set': [{ base: 9, patch: {} }, 'config.conflict'],
  'config.confirm': [{ token: 'none' }, 'config.no-trial'],
  'config.cancel': [{}, 'config.no-trial'],
  'config.rollback': [{ base: 9 }, 'config.conflict'],
  'host.reboot': [{}, 'host.no-reboot-unit'],
  'agent.restart': [{}],
};

/** The one that ends the agent comes last. */
const ORDER = [...COMMAND_NAMES.filter((name) => name !== 'agent.restart'), 'agent.restart'] as const;

async function stageWithAll(t: TestContext): Promise<Stage> {
  const stage = await setStage(t);
  await configure(stage, () => ({
    commands: Object.fromEntries(COMMAND_NAMES.map((name) => [name, 'on'])),
    schedule: [{ cron: '0 3 1 1 *', command: 'ping' }],
    remote: { allow: ['/log'] },
  }));
  await start(stage);
  // An event that replay and retry find.
  await stage.meter('{"k":"sale","boot":"b","seq":1,"ml":1000,"cents":150}');
  await until(() => stage.seen().some(({ topic }) => topic === `${ROOT}/up/event/sale`), 'a sale', DEADLINE_MS);
  return stage;
}

async function start(stage: Stage): Promise<void> {
  stage.agent.start();
  await stage.agent.child.line(/broker connected/, DEADLINE_MS);
}

function judge(command: Command | undefined, answer: Document, code: string | undefined): void {
  assert.ok(command !== undefined);
  const said = (answer['error'] as { readonly code: string } | undefined)?.code;
  assert.equal(said, code, JSON.stringify(answer));
  if (code === undefined) v.assert(command.result, answer['result']);
  else assert.ok(code in DESK_ERRORS || code in (command.errors ?? {}), `${code} is not described`);
}

async function byFieldpost(stage: Stage, name: CommandName, args: Document): Promise<Document> {
  const tls = join(stage.directory, 'tls');
  const words = Object.entries(args).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  const files = ['--ca', join(tls, 'ca.pem'), '--cert', join(tls, 'operator.pem')];
  const at = ['--private-key', join(tls, 'operator.key'), '--url', `mqtts://127.0.0.1:${stage.broker.port}`];
  const to = ['--device', 'pump-42', '--json', '--within', '30s'];
  const child = new Child({
    command: process.execPath,
    args: [PROGRAM, 'command', name, ...words, ...to, ...files, ...at],
  });
  const { code } = await child.exited;
  const last = JSON.parse(child.outLines.at(-1) ?? 'null') as Document | null;
  assert.ok(last !== null, child.lastWords());
  assert.equal(code, last['status'] === 'succeeded' ? 0 : 1, child.outLines.join('\n'));
  return last;
}

async function byMosquitto(stage: Stage, name: CommandName, args: Document): Promise<Document> {
  const topic = `${ROOT}/down/command/${name}/plain`;
  const child = new Child({
    command: 'mosquitto_pub',
    args: [...stage.operatorArgs, '-V', '311', '-q', '1', '-t', topic, '-m', JSON.stringify({ args })],
  });
  assert.equal((await child.exited).code, 0, child.lastWords());
  return finalResponse(stage, name, 'plain');
}

for (const [how, ask] of [
  ['fieldpost command, MQTT 5', byFieldpost],
  ['mosquitto_pub, MQTT 3.1.1', byMosquitto],
] as const) {
  test(`every command answers as its page says: ${how}`, async (t) => {
    const stage = await stageWithAll(t);
    const commands = new Map(allCommands().map((command) => [command.name, command]));
    for (const [at, name] of ORDER.entries()) {
      if (at % ASKS_OF_A_LIFE === ASKS_OF_A_LIFE - 1) {
        await stage.agent.term();
        await start(stage);
      }
      const [args, code] = ASKED[name];
      judge(commands.get(name), await ask(stage, name, args), code);
    }
    assert.equal((await stage.agent.child.exited).code, 0);
  });
}
