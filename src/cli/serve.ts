/**
 * Runs agents, one after the other, on the configuration that holds: the first one at the start of the process, another
 * whenever the configuration changes (a command, a deadline that passed, SIGHUP after an edit), until somebody asks the
 * process to end. An agent that can not be started on a configuration on trial ends the trial, not the process; one that can not
 * be started on a device.json that was edited under another ends nothing: what ran before is run.
 */
import { join } from 'node:path';
import type { Agent } from '../agent.ts';
import { reasonOf } from '../fault.ts';
import { bootTimeMs } from '../platform/boot.ts';
import { systemChance } from '../platform/chance.ts';
import { systemClock } from '../platform/clock.ts';
import { configDisk } from '../platform/config-disk.ts';
import type { Boot, Log, LogControl, Supervisor } from '../ports.ts';
import type { BaseFile, BaseRead } from '../remote/judge.ts';
import type { RemoteConfigOptions } from '../remote/options.ts';
import { linkText } from '../remote/link-text.ts';
import { RemoteConfig } from '../remote/remote-config.ts';
import type { Running } from '../remote/resolver.ts';
import { Wishes } from './wishes.ts';

/** A stop that takes longer is cut short, milliseconds. systemd's default TimeoutStopSec is 90 s. */
const STOP_MS = 10_000;

export interface ServeOptions {
  readonly base: BaseFile;
  /** device.json is not: `base` is what ran last. */
  readonly isBaseInvalid: boolean;
  readonly readBase: () => BaseRead;
  readonly startProblem: RemoteConfigOptions['startProblem'];
  readonly stateDirectory: string;
  readonly boot: Boot;
  readonly log: Log & LogControl;
  readonly supervisor: Supervisor;
  /** Throws what keeps an agent from running on it. */
  readonly makeAgent: (running: Running, remote: RemoteConfig, restart: () => void) => Agent;
}

/** Resolves when the process was asked to end, and the agent has. */
export async function serve(options: ServeOptions): Promise<void> {
  const { base, isBaseInvalid, stateDirectory, boot, log, supervisor } = options;
  const wishes = new Wishes();
  const remote = new RemoteConfig({
    ...options,
    disk: configDisk(join(stateDirectory, 'config')),
    clock: systemClock,
    chance: systemChance,
    boot: { id: boot.id, nowMs: bootTimeMs },
    onSwitch: () => wishes.wish('switch'),
  });
  const tell = (error: unknown): void => log.error(reasonOf(error));
  takeSignals(wishes, remote, log);
  await remote.open(base, isBaseInvalid);
  for (let wish = wishes.begin(); wish !== 'stop'; wish = wishes.begin()) {
    const running = await remote.take();
    log.setLevel(running.config.log.level);
    const agent = await start(options, running, remote, () => wishes.wish('stop'));
    if (agent === undefined) continue;
    remote
      .started(
        () => agent.sensorFacts,
        () => linkText(agent.connection),
      )
      .catch(tell);
    const isOver = (await wishes.next()) === 'stop';
    if (isOver) supervisor.stopping();
    else supervisor.reloading();
    await stop(agent, isOver ? 'shutdown' : 'update', log);
  }
}

/** Undefined: something else holds now, and is to be taken. */
async function start(
  { makeAgent, log }: ServeOptions,
  running: Running,
  remote: RemoteConfig,
  restart: () => void,
): Promise<Agent | undefined> {
  let agent: Agent | undefined;
  try {
    agent = makeAgent(running, remote, () => {
      log.info('stopping', { command: 'agent.restart' });
      restart();
    });
    await agent.start();
    return agent;
  } catch (error) {
    if (!(await remote.startFailed(reasonOf(error)))) throw error;
    const on = running.trial === undefined ? 'device.json as it is now' : 'the configuration on trial';
    log.error('the agent can not be started', { on, reason: reasonOf(error) });
    await agent?.stop('update').catch((failure: unknown) => {
      log.warn('agent: not stopped in order', { reason: reasonOf(failure) });
    });
    return undefined;
  }
}

async function stop(agent: Agent, why: 'shutdown' | 'update', log: Log): Promise<void> {
  const late = setTimeout(() => {
    log.warn('stop takes too long; leaving now', { after_ms: STOP_MS });
    process.kill(process.pid, 'SIGKILL');
  }, STOP_MS);
  await agent.stop(why);
  clearTimeout(late);
}

function takeSignals(wishes: Wishes, remote: RemoteConfig, log: Log): void {
  let seen = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (seen) process.kill(process.pid, 'SIGKILL');
    seen = true;
    log.info('stopping', { signal });
    wishes.wish('stop');
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on('SIGHUP', () => {
    log.info('device.json is read again', { signal: 'SIGHUP' });
    remote.reload().catch((error: unknown) => log.error(reasonOf(error)));
  });
}
