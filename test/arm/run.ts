/**
 * One ARM package at work under qemu-user: the packed agent, emulated, on a real pseudo-terminal with a pump at its other
 * end, its ledger on disk, over mutual TLS to a real Mosquitto, and a consumer that counts what comes. The agent is killed
 * with SIGKILL half way. Emulation shows that it works, and says nothing about speed.
 */
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { topicsOf } from '../../src/broker/topics.ts';
import { Audit, billFault } from '../../src/demo/audit.ts';
import { openPumpLine } from '../../src/demo/pump-line.ts';
import { DEVICE, PREFIX, type Stage, setStage } from '../../src/demo/stage.ts';
import { AgentProcess } from '../../src/workbench/agent-process.ts';
import { Consumer } from '../../src/workbench/consumer.ts';
import { writeDeviceFile } from '../../src/workbench/device-file.ts';
import { FuelPump } from '../../src/workbench/fuel-pump.ts';
import { seededRandom } from '../../src/workbench/random.ts';
import type { DeviceLine } from '../../src/workbench/serial-server.ts';
import { makeTemporaryDirectory } from '../../src/workbench/temp.ts';
import { Undo } from '../../src/workbench/undo.ts';
import { until } from '../../src/workbench/wait.ts';
import type { ArmRow } from './rows.ts';
import { armTree } from './tree.ts';

const SALES = 20;
/** Emulated, Node.js takes several seconds to start, on a busy machine many. */
const DEADLINE_MS = 180_000;
const STOP_MS = 30_000;
const TICK_MS = 50;
const REPEAT_MS = 2000;

export interface ArmResult {
  readonly row: ArmRow;
  /** As the emulated Node.js says it. */
  readonly node: string;
  readonly version: string;
  readonly accepted: number;
  readonly received: number;
  readonly lost: number;
  readonly duplicates: number;
  /** What `fieldpost ledger verify` said, emulated too. */
  readonly verified: string;
  readonly seconds: number;
  /** Undefined: all as it should be. */
  readonly fault: string | undefined;
}

export async function runArm(repository: string, row: ArmRow): Promise<ArmResult> {
  const undo = new Undo();
  try {
    const directory = await makeTemporaryDirectory('arm');
    undo.add(directory.remove);
    const { program } = armTree(repository, row, directory.path);
    const startedMs = performance.now();
    const ask = (...args: string[]): string => run([...program, ...args]);
    const [emulator, option, root, node = ''] = program;
    const nodeVersion = run([
      emulator,
      option ?? '',
      root ?? '',
      node,
      '--print',
      '`${process.version} ${process.arch}`',
    ]);
    const version = ask('--version');
    const stage = await setStage('mosquitto', directory.path, undo);
    const sold = await sell(program, stage, directory.path, undo);
    const verified = ask('ledger', 'verify', '--dir', join(directory.path, 'ledger')).split('\n')[0] ?? '';
    return { row, node: nodeVersion, version, verified, seconds: (performance.now() - startedMs) / 1000, ...sold };
  } finally {
    await undo.run();
  }
}

type Sold = Pick<ArmResult, 'accepted' | 'received' | 'lost' | 'duplicates' | 'fault'>;

async function sell(program: ArmRowProgram, stage: Stage, directory: string, undo: Undo): Promise<Sold> {
  const audit = new Audit();
  const consumer = new Consumer({
    port: stage.brokerPort,
    protocol: 5,
    clientId: stage.consumer,
    root: topicsOf(PREFIX, DEVICE).root,
    tls: stage.consumerTls,
    receipts: true,
    onEvent: (verdict, event) => audit.take(verdict, event),
  });
  undo.add(() => consumer.stop());
  await consumer.start();
  const { pump, line } = await openPump(undo);
  const ledgerDirectory = join(directory, 'ledger');
  await mkdir(ledgerDirectory);
  const config = await writeDeviceFile(join(directory, 'device.json'), {
    device: DEVICE,
    brokerPort: stage.brokerPort,
    protocol: 5,
    tls: stage.deviceTls,
    ledgerDirectory,
    line: line.port,
    receipts: true,
  });
  const agent = new AgentProcess({ program, config });
  undo.add(() => agent.kill9());
  agent.start();
  for (let sale = 0; sale < SALES; sale += 1) pump.sell(performance.now());
  const here = (count: number): Promise<unknown> =>
    until(
      () => {
        if (agent.child.ended !== undefined) throw new Error(`the agent ended: ${agent.child.lastWords()}`);
        return pump.accepted.length >= count && audit.received >= count;
      },
      () => `${count} sales; ${pump.accepted.length} accepted, ${audit.received} came; ${agent.child.lastWords()}`,
      DEADLINE_MS,
    );
  await here(SALES / 2);
  await agent.kill9();
  agent.start();
  await here(SALES);
  await agent.term(STOP_MS);
  const bill = audit.settle(pump.sales, pump.accepted, consumer.deliveries.figures);
  const { accepted, received, lost, duplicates } = bill;
  return { accepted, received, lost, duplicates, fault: billFault(bill) };
}

type ArmRowProgram = readonly [string, ...string[]];

async function openPump(undo: Undo): Promise<{ readonly pump: FuelPump; readonly line: DeviceLine }> {
  const open: { line?: DeviceLine } = {};
  const write = (text: string): boolean => open.line?.write(text) ?? false;
  const pump = new FuelPump({ boot: 'a1', window: 1, repeatMs: REPEAT_MS, random: seededRandom(7), write });
  const line = await openPumpLine(
    { opened: () => pump.lineOpened(performance.now()), bytes: (bytes) => pump.take(bytes, performance.now()) },
    (text) => process.stderr.write(`${text}\n`),
  );
  open.line = line;
  undo.add(line.close);
  const ticking = setInterval(() => pump.tick(performance.now()), TICK_MS);
  undo.add(() => clearInterval(ticking));
  return { pump, line };
}

function run([command = '', ...args]: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', timeout: DEADLINE_MS }).trim();
}
