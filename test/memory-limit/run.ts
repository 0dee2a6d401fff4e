/**
 * The agent in a memory cgroup (version 1) that gets smaller, under sales, a flood of commands and a link that is cut: it
 * holds, or the kernel kills it (status 137) and it is started again; nothing may be lost or doubled either way. The limit
 * is taken away at the end, and everything has to arrive.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Undo } from '../../src/workbench/undo.ts';
import { until } from '../../src/workbench/wait.ts';
import { type Bill, ROOT, setFuzzStage } from '../fuzz/stage.ts';

const MEMORY = '/sys/fs/cgroup/memory';
const MIB = 1024 * 1024;
const ROUND_MS = 50;
const COMMANDS_A_ROUND = 20;
const COMMAND_BYTES = 60_000;
const SALES_A_ROUND = 20;
const CUT_EVERY = 40;
const DEADLINE_MS = 30_000;
/** Puts itself into the cgroup, then becomes the agent. */
const ENTER = 'echo $$ > "$0/cgroup.procs" && exec "$@"';

export interface LimitResult {
  readonly limitMib: number;
  /** The kernel killed it so often. */
  readonly kills: number;
  /** The most that the group used, MiB. */
  readonly peakMib: number;
  readonly bill: Bill;
}

/** Why it can not be run here; undefined: it can. */
export function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  return existsSync(join(MEMORY, 'memory.limit_in_bytes')) ? undefined : 'needs a memory cgroup of version 1';
}

export async function runLimited(
  limitMib: number,
  rounds: number,
  program: readonly [string, string],
): Promise<LimitResult> {
  const undo = new Undo();
  try {
    const group = join(MEMORY, `fieldpost-${process.pid}-${limitMib}`);
    mkdirSync(group);
    undo.add(() => until(() => removed(group), 'the cgroup to be empty', DEADLINE_MS));
    writeFileSync(join(group, 'memory.limit_in_bytes'), String(limitMib * MIB));
    const stage = await setFuzzStage(undo, { protocol: 5, program });
    const { agent, broker, sell, repeat, settled, bill } = stage;
    let kills = 0;
    const start = (): void => agent.start(['sh', '-c', ENTER, group]);
    const request = Buffer.from(`{"args":{"a":"${'x'.repeat(COMMAND_BYTES)}"}}`);
    start();
    for (let round = 0; round < rounds; round += 1) {
      const { ended } = agent.running ? { ended: undefined } : agent.child;
      if (ended !== undefined) {
        if (ended.signal !== 'SIGKILL') throw new Error(`the agent ended by itself: ${agent.child.lastWords()}`);
        kills += 1;
        start();
      }
      sell(SALES_A_ROUND);
      repeat();
      for (let at = 0; at < COMMANDS_A_ROUND; at += 1) broker.say(`${ROOT}/down/command/ping/f${round}-${at}`, request);
      if (round % CUT_EVERY === CUT_EVERY - 1) broker.cut();
      await pause(ROUND_MS);
    }
    const peakMib = Number(readFileSync(join(group, 'memory.max_usage_in_bytes'), 'utf8')) / MIB;
    writeFileSync(join(group, 'memory.limit_in_bytes'), '-1');
    if (!agent.running) {
      kills += 1;
      start();
    }
    await until(() => broker.clients.length > 0, 'a connection without the limit', DEADLINE_MS);
    const beat = setInterval(repeat, ROUND_MS);
    undo.add(() => clearInterval(beat));
    await settled();
    return { limitMib, kills, peakMib: Math.round(peakMib), bill: bill() };
  } finally {
    await undo.run();
  }
}

function removed(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch {
    return false;
  }
}
