/**
 * The demo: a virtual fuel pump sells, the agent keeps and delivers the sales, a consumer bills them and sends receipts;
 * meanwhile agent and broker are killed and the link is cut at random moments. At the end everything accepted must have
 * been billed exactly once, also what a killed broker forgot after it had acknowledged it.
 * Everything runs on loopback and in one temporary directory, and is gone afterwards.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf } from '../fault.ts';
import { topicsOf } from '../broker/topics.ts';
import { AgentProcess, ownProgram } from '../workbench/agent-process.ts';
import { Consumer } from '../workbench/consumer.ts';
import { writeDeviceFile } from '../workbench/device-file.ts';
import { FuelPump } from '../workbench/fuel-pump.ts';
import { MosquittoMissing } from '../workbench/mosquitto.ts';
import { freshSeed, type Random, seededRandom } from '../workbench/random.ts';
import type { DeviceLine } from '../workbench/serial-server.ts';
import { makeTemporaryDirectory } from '../workbench/temp.ts';
import { Undo } from '../workbench/undo.ts';
import { until } from '../workbench/wait.ts';
import { Audit, billFault } from './audit.ts';
import { cutAtRandom, killAtRandom, killBrokerAtRandom, pauseUnless } from './faults.ts';
import { openPumpLine } from './pump-line.ts';
import { type DemoResult, resultJson, resultTable } from './report.ts';
import { type BrokerKind, DEVICE, PREFIX, setStage, type Stage } from './stage.ts';
import { type Players, Tally } from './tally.ts';
import { startView } from './view.ts';

/** The part of the time in which there are sales and faults; the rest is for what is still on its way. */
const BUSY_SHARE = 0.85;
const DRAIN_MS = 20_000;
const SALE_MS = { low: 60, high: 350 };
const TEMPERATURE_MS = 250;
const TICK_MS = 50;
const REPEAT_MS = 300;

export interface DemoOptions {
  readonly broker: BrokerKind;
  readonly seconds: number;
  readonly json: boolean;
  readonly seed?: number;
}

/** Resolves with the exit status. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  const undo = new Undo();
  try {
    const result = await play(options, undo, interrupted.signal);
    if (interrupted.signal.aborted) return 130;
    (options.json ? process.stderr : process.stdout).write(resultTable(result));
    if (options.json) process.stdout.write(`${resultJson(result)}\n`);
    return result.fault === undefined ? 0 : 1;
  } catch (error) {
    if (error instanceof MosquittoMissing) {
      say(`${error.message}: install it (Debian: apt install mosquitto), or take --broker embedded`);
      return 69;
    }
    say(`the demo failed: ${reasonOf(error)}`);
    return 1;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    for (const fault of await undo.run()) say(`could not clean up: ${fault}`);
  }
}

async function play(options: DemoOptions, undo: Undo, interrupted: AbortSignal): Promise<DemoResult> {
  const random = seededRandom(options.seed ?? freshSeed());
  const directory = await makeTemporaryDirectory('demo');
  undo.add(directory.remove);
  const stage = await setStage(options.broker, directory.path, undo);
  const players = await callPlayers(stage, directory.path, random, undo);
  // The last resort, should this process be ended past its own cleaning up.
  const lastResort = (): void => {
    players.agent.signal('SIGKILL');
    directory.removeNow();
  };
  process.once('exit', lastResort);
  undo.add(() => process.off('exit', lastResort));
  const tally = new Tally(players, performance.now());
  const view = startView(tally, `fieldpost demo: ${options.broker} broker, seed ${random.seed}`);
  let fault: string | undefined;
  try {
    await busyPart(tally, stage, random, options.seconds * BUSY_SHARE * 1000, interrupted);
    await drain(tally, stage, interrupted);
  } catch (error) {
    fault = reasonOf(error);
  } finally {
    view.stop(); // what is written from here on must not be drawn over
  }
  const { pump, consumer, audit } = players;
  const bill = audit.settle(pump.sales, pump.accepted, consumer.deliveries.figures);
  fault = billFault(bill) ?? fault;
  const { kills, brokerKills, cuts } = tally;
  return { bill, kills, brokerKills, cuts, telemetry: consumer.telemetry, seed: random.seed, fault };
}

async function callPlayers(stage: Stage, directory: string, random: Random, undo: Undo): Promise<Players> {
  const audit = new Audit();
  const consumer = new Consumer({
    port: stage.brokerPort,
    protocol: stage.protocol,
    clientId: stage.consumer,
    root: topicsOf(PREFIX, DEVICE).root,
    tls: stage.consumerTls,
    watch: true,
    receipts: true,
    onEvent: (verdict, event) => audit.take(verdict, event),
  });
  undo.add(() => consumer.stop());
  await consumer.start();
  const { pump, line } = await openPump(random, undo);
  const ledgerDirectory = join(directory, 'ledger');
  await mkdir(ledgerDirectory);
  const config = await writeDeviceFile(join(directory, 'device.json'), {
    device: DEVICE,
    brokerPort: stage.link.port,
    protocol: stage.protocol,
    tls: stage.deviceTls,
    ledgerDirectory,
    line: line.port,
    receipts: true,
  });
  const agent = new AgentProcess({ program: ownProgram(), config });
  undo.add(() => agent.kill9());
  agent.start();
  return { pump, agent, link: stage.link, consumer, audit };
}

async function openPump(random: Random, undo: Undo): Promise<{ readonly pump: FuelPump; readonly line: DeviceLine }> {
  const open: { line?: DeviceLine } = {};
  const write = (text: string): boolean => open.line?.write(text) ?? false;
  const pump = new FuelPump({ boot: 'a1', window: 1, repeatMs: REPEAT_MS, random, write });
  const line = await openPumpLine(
    { opened: () => pump.lineOpened(performance.now()), bytes: (bytes) => pump.take(bytes, performance.now()) },
    say,
  );
  open.line = line;
  undo.add(line.close);
  const ticking = setInterval(() => pump.tick(performance.now()), TICK_MS);
  undo.add(() => clearInterval(ticking));
  return { pump, line };
}

async function busyPart(
  tally: Tally,
  stage: Stage,
  random: Random,
  busyMs: number,
  interrupted: AbortSignal,
): Promise<void> {
  tally.enter('selling, killing, cutting');
  // One controller for all reasons to stop: on Node 20 AbortSignal.any forgets an AbortSignal.timeout that nobody else
  // holds (seen here; nodejs/node issue 57736), and the part would never end.
  const stop = new AbortController();
  const end = (): void => stop.abort();
  const over = setTimeout(end, busyMs);
  interrupted.addEventListener('abort', end, { once: true });
  const hands = [
    sell(tally, fork(random), stop.signal),
    measure(tally, stop.signal),
    cutAtRandom(tally, fork(random), stop.signal),
    killAtRandom(tally, fork(random), stop.signal),
    killBrokerAtRandom(tally, stage.killBroker, fork(random), stop.signal),
  ];
  try {
    // When one hand fails the others stop at once; the first failure is the one that is told.
    await Promise.all(hands);
  } finally {
    end();
    clearTimeout(over);
    interrupted.removeEventListener('abort', end);
    await Promise.allSettled(hands);
  }
}

/** Each hand has chance of its own, so that none changes the others' course. */
function fork(random: Random): Random {
  return seededRandom(random.whole(0, 0xffff_ffff));
}

async function sell(tally: Tally, random: Random, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    tally.players.pump.sell(performance.now());
    await pauseUnless(random.between(SALE_MS.low, SALE_MS.high), stop);
  }
}

async function measure(tally: Tally, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    tally.players.pump.temperature();
    await pauseUnless(TEMPERATURE_MS, stop);
  }
}

/** No more sales, no more faults: what is accepted must arrive, and what is not yet accepted must be. */
async function drain(tally: Tally, stage: Stage, interrupted: AbortSignal): Promise<void> {
  const { pump, audit, agent, consumer } = tally.players;
  tally.enter('draining');
  const missing = (): number =>
    pump.accepted.filter((sale) => !audit.has(sale)).length + consumer.deliveries.figures.gaps;
  await until(
    () => interrupted.aborted || agent.child.ended !== undefined || (pump.waiting === 0 && missing() === 0),
    () =>
      `${pump.waiting} sales to be accepted and ${missing()} accepted ones to arrive; ` +
      `agent: ${agent.child.lastWords()}; broker: ${stage.brokerWords() || '(nothing)'}`,
    DRAIN_MS,
  );
  if (!interrupted.aborted && agent.child.ended !== undefined) {
    throw new Error(`the agent ended by itself: ${agent.child.lastWords()}`);
  }
  tally.enter('done');
}

function say(text: string): void {
  process.stderr.write(`fieldpost demo: ${text}\n`);
}
