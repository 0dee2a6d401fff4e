/**
 * Trials of configurations, with kill -9 at random moments: each device is given one change after the other, and after each
 * it must be where it has to be, in time, and say so. Several devices side by side: a trial is mostly waiting.
 */
import { until } from '../../src/workbench/wait.ts';
import { type Random, seededRandom } from '../../src/workbench/random.ts';
import { type Document, type Heard, isFinal } from './operator.ts';
import { type Situation, SITUATIONS } from './situations.ts';
import type { Device, TrialStage } from './stage.ts';

/** The shortest that the agent takes. */
const WITHIN_MS = 10_000;
/** After its deadline: the old agent's end, a start, a connection, on a busy machine. */
const LATE_MS = 20_000;
const KILLS_MAX = 2;
/** Longer than the device is away at any time. */
const AGAIN_MS = WITHIN_MS + LATE_MS / 2;

export interface TrialRow {
  readonly run: number;
  readonly situation: string;
  readonly kills: number;
  /** From the request until the device was where it had to be, milliseconds. */
  readonly tookMs: number;
  /** Undefined: all was as it had to be. */
  readonly fault: string | undefined;
}

export interface TrialOptions {
  readonly stage: TrialStage;
  readonly runs: number;
  readonly seed: number;
  readonly progress: (row: TrialRow) => void;
  /** Default: every one. */
  readonly situations?: readonly Situation[];
}

export async function runTrials(options: TrialOptions): Promise<readonly TrialRow[]> {
  const { stage, runs, seed, progress, situations = SITUATIONS } = options;
  const rows: TrialRow[] = [];
  let begun = 0;
  const work = async (device: Device): Promise<void> => {
    device.agent.start();
    while (begun < runs) {
      begun += 1;
      const run = begun;
      const random = seededRandom(seed * 10_007 + run);
      // Each situation in turn, so that few runs see many.
      const situation = situations[(run - 1) % situations.length] as Situation;
      const row = await runOne(stage, device, situation, run, random);
      rows.push(row);
      progress(row);
    }
  };
  await Promise.all(stage.devices.map(work));
  return rows.sort((one, other) => one.run - other.run);
}

async function runOne(
  stage: TrialStage,
  device: Device,
  situation: Situation,
  run: number,
  random: Random,
): Promise<TrialRow> {
  const startedMs = performance.now();
  const kills = random.whole(0, KILLS_MAX);
  try {
    await tryOne(stage, device, situation, `r${run}`, kills, random);
    return { run, situation: situation.name, kills, tookMs: performance.now() - startedMs, fault: undefined };
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const fault = `${device.id}: ${said}; ${device.agent.child.lines.slice(-6).join(' | ')}`;
    if (!device.agent.running) device.agent.start();
    return { run, situation: situation.name, kills, tookMs: performance.now() - startedMs, fault };
  }
}

async function tryOne(
  stage: TrialStage,
  device: Device,
  situation: Situation,
  id: string,
  kills: number,
  random: Random,
): Promise<void> {
  const { atHome } = stage;
  const before = await settledConfig(stage, device, 0);
  // A sound change must be another one each time.
  const patch =
    situation.ends === 'kept' ? varied(situation.patch(stage, device), random) : situation.patch(stage, device);
  const sinceMs = performance.now();
  const args = { base: before.revision, patch, within: `${WITHIN_MS / 1000}s`, trial: situation.trial ?? false };
  await atHome.command(device.id, 'config.set', id, args);
  const killing = killAtRandom(device, kills, random, situation.ends === 'kept' ? 3000 : WITHIN_MS);
  const confirming = situation.ends === 'kept' ? confirm(stage, device, id) : Promise.resolve();
  const [answer] = await Promise.all([askAgain(stage, device, id, args), killing, confirming]);
  const { status, error } = answer.payload as { readonly status: string; readonly error?: { readonly code: string } };
  const after = await settledConfig(stage, device, situation.ends === 'refused' ? 0 : Math.max(sinceMs, 0));
  if (situation.ends === 'kept') {
    // Killed over and over, it may be taken back; whatever is said must be so.
    const isKept = after.revision > before.revision;
    if (isKept !== (status === 'succeeded')) throw new Error(`said ${status}, and runs ${after.revision}`);
    // `not-begun`: killed after the request was written down, and before the change was.
    const isTold = ['config.reverted', 'config.not-begun'].includes(error?.code ?? '');
    if (status !== 'succeeded' && !isTold) throw new Error(`said ${status} ${error?.code}`);
    await device.agent.kill9();
    const killedMs = performance.now();
    device.agent.start();
    const again = await settledConfig(stage, device, killedMs);
    if (again.revision !== after.revision) throw new Error(`${after.revision} became ${again.revision} by a kill`);
    return;
  }
  if (after.revision !== before.revision) throw new Error(`was on ${before.revision}, is on ${after.revision}`);
  const wanted = situation.ends === 'refused' ? 'rejected' : 'failed';
  // Killed before the request was on disk, it was never begun, and the broker brings it again; killed after that, it says so.
  const isOfKill = status === 'rejected' || error?.code === 'config.not-begun';
  if (status !== wanted && !(isOfKill && kills > 0)) throw new Error(`said ${JSON.stringify(answer.payload)}`);
}

/**
 * A kill may take a request that the broker has handed over, or its answer: who hears nothing asks again, with the same id
 * and the same bytes, and is told what became of it.
 */
async function askAgain({ atHome }: TrialStage, device: Device, id: string, args: Document): Promise<Heard> {
  const answer = (): Heard | undefined => atHome.answer(device.id, 'config.set', id, isFinal);
  let askedMs = performance.now();
  const look = async (): Promise<Heard | undefined> => {
    if (answer() === undefined && performance.now() - askedMs > AGAIN_MS) {
      askedMs = performance.now();
      await atHome.command(device.id, 'config.set', id, args);
    }
    return answer();
  };
  return until(look, `the answer to ${id}`, 2 * (WITHIN_MS + LATE_MS));
}

/** Confirms over the new link as often as it asks, also after a kill. */
async function confirm({ atHome }: TrialStage, device: Device, id: string): Promise<void> {
  let told = 0;
  await until(
    async () => {
      if (atHome.answer(device.id, 'config.set', id, isFinal) !== undefined) return true;
      const asked = atHome.heard.filter(
        ({ device: who, topic, payload }) =>
          who === device.id && topic === `response/config.set/${id}` && payload['phase'] === 'probation',
      );
      if (asked.length > told) {
        told = asked.length;
        const token = asked.at(-1)?.payload['token'];
        await atHome.command(device.id, 'config.confirm', `${id}-${told}`, { token });
      }
      return false;
    },
    `the end of ${id}`,
    WITHIN_MS * 7,
  ).catch(() => undefined);
}

async function killAtRandom(device: Device, kills: number, random: Random, withinMs: number): Promise<void> {
  for (let kill = 0; kill < kills; kill += 1) {
    const atMs = performance.now() + random.between(0, withinMs / kills);
    await until(() => performance.now() >= atMs, 'the moment of the kill', withinMs);
    await device.agent.kill9();
    device.agent.start();
  }
}

/** What the device says it runs, once it is at home and nothing is on trial. */
async function settledConfig(
  { atHome }: TrialStage,
  device: Device,
  sinceMs: number,
): Promise<{ readonly revision: number }> {
  const isSettled = (payload: Document): boolean =>
    payload['state'] === 'online' && (payload['config'] as Document)['phase'] === 'confirmed';
  await atHome.waitFor(
    `${device.id} at home`,
    () => {
      const newest = atHome.find(device.id, 'status', () => true, sinceMs);
      return newest !== undefined && isSettled(newest.payload) ? newest : undefined;
    },
    WITHIN_MS + LATE_MS,
  );
  const newest = atHome.find(device.id, 'status', isSettled);
  return newest?.payload['config'] as { readonly revision: number };
}

function varied(patch: Document, random: Random): Document {
  const seconds = `${random.whole(12, 3000)}s`;
  return JSON.parse(JSON.stringify(patch).replace(/"\d+s"/, JSON.stringify(seconds))) as Document;
}
