/**
 * Lives of a device on the model disk: changes begun, confirmed and taken back, the process ended at any step by kill -9 or
 * a power cut, half of the time once more while it recovers. What must hold is checked at each start.
 */
import { Keeper } from '../../src/remote/keeper.ts';
import { RemoteStore } from '../../src/remote/store.ts';
import type { Trial } from '../../src/remote/trial.ts';
import { type Random, seededRandom } from '../../src/workbench/random.ts';
import { Crash, ModelDisk } from './model-disk.ts';
import { HandClock } from '../sensor-rig.ts';

/** More than the longest life takes. */
const STEPS_MAX = 60;
const LIVES = 3;

export type Fault = 'none' | 'no sync at the start' | 'no sync at all';

const nothing = (): void => undefined;
const SILENT = { error: nothing, warn: nothing, info: nothing, debug: nothing };
const STAMP = { at: undefined, hash: 'h' };

interface Device {
  readonly disk: ModelDisk;
  readonly random: Random;
  readonly fault: Fault;
  boot: number;
  nowMs: number;
  /** Revisions that whoever asked was told to be good; the newest. */
  told: number;
  /** Confirmed when the process ended, which nobody was told. */
  maybe: number | undefined;
}

/** What went wrong in one device's life, or undefined. */
export async function liveOnce(seed: number, fault: Fault): Promise<string | undefined> {
  const random = seededRandom(seed);
  const disk = new ModelDisk(random);
  const device: Device = { disk, random, fault, boot: 1, nowMs: 0, told: 0, maybe: undefined };
  for (let life = 0; life < LIVES; life += 1) {
    disk.crashAt(random.whole(1, STEPS_MAX));
    const wrong = await untilCrash(device, async () => live(device));
    if (wrong !== undefined) return `life ${life}: ${wrong}`;
    end(device);
    if (random.unit() < 0.5) {
      disk.crashAt(random.whole(1, 12));
      const again = await untilCrash(device, async () => (await start(device)).wrong);
      if (again !== undefined) return `recovery of life ${life}: ${again}`;
      end(device);
    }
  }
  disk.crashAt(Number.POSITIVE_INFINITY);
  return lastWords(device);
}

async function untilCrash(device: Device, run: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof Crash) return undefined;
    return `threw ${String(error)}`;
  }
}

/** Kill -9, or the power goes. */
function end(device: Device): void {
  if (device.random.unit() < 0.5) return;
  device.disk.powerCut();
  device.boot += 1;
  device.nowMs = 0;
}

async function start(device: Device): Promise<{ keeper: Keeper; store: RemoteStore; wrong: string | undefined }> {
  const { disk, fault } = device;
  const store = new RemoteStore(disk, SILENT);
  const keeper = new Keeper({ store, clock: new HandClock(), log: SILENT, onSettled: nothing });
  // What the process finds, it trusts at once.
  if (fault !== 'none') disk.deaf = fault === 'no sync at all' ? 'always' : 'until written';
  await keeper.start({ boot: String(device.boot), nowMs: device.nowMs }, async () => 'h');
  return { keeper, store, wrong: await wrongAtStart(device, keeper, store) };
}

async function wrongAtStart(device: Device, { state }: Keeper, store: RemoteStore): Promise<string | undefined> {
  const { good, trial } = state;
  if (good.revision !== device.told && good.revision !== device.maybe) {
    return `${good.revision} is good, but ${device.told} was told (or perhaps ${device.maybe})`;
  }
  // Everybody who asks from now on is told.
  device.told = good.revision;
  device.maybe = undefined;
  if ((await contentOf(store, good)) !== good.revision) return `the overlay of ${good.revision} is not there`;
  if (trial === null) return undefined;
  if (trial.boot !== String(device.boot)) return `the trial ${trial.revision} has outlived its boot`;
  return (await contentOf(store, trial)) === trial.revision ? undefined : `the overlay on trial is not there`;
}

async function contentOf(store: RemoteStore, revision: Parameters<RemoteStore['overlay']>[0]): Promise<number> {
  if (revision.file === null) return 0;
  const overlay = await store.overlay(revision);
  return Number(overlay?.patch['revision'] ?? -1);
}

async function live(device: Device): Promise<string | undefined> {
  const { keeper, store, wrong } = await start(device);
  if (wrong !== undefined) return wrong;
  for (let change = 0; change < 4; change += 1) {
    const { trial } = keeper.state;
    const dice = device.random.unit();
    device.nowMs += device.random.whole(0, 4000);
    if (trial === null) await begin(device, keeper, store);
    else if (dice < 0.4) await confirm(device, keeper, trial);
    else if (dice < 0.7) await keeper.step({ kind: 'revert', why: 'cancelled', stamp: STAMP });
    else await keeper.step({ kind: 'tick', nowMs: device.nowMs, stamp: STAMP });
  }
  return undefined;
}

async function begin(device: Device, keeper: Keeper, store: RemoteStore): Promise<void> {
  const revision = keeper.state.seq + 1;
  const put = await store.putOverlay(revision, 'c', { patch: { revision }, was: {} });
  const asked = { command: 'config.set', id: `c${revision}` };
  const when = { boot: String(device.boot), sinceMs: device.nowMs, withinMs: 10_000 };
  const trial: Trial = { ...put, ...asked, ...when, mode: 'operator', checked: false, token: 't', starts: 0 };
  await keeper.step({ kind: 'begin', trial });
}

async function confirm(device: Device, keeper: Keeper, { revision }: Trial): Promise<void> {
  device.maybe = revision;
  await keeper.step({ kind: 'confirm', token: 't', stamp: STAMP });
  device.told = revision;
  device.maybe = undefined;
}

/** At last it starts undisturbed, and the next change is as possible as ever. */
async function lastWords(device: Device): Promise<string | undefined> {
  const { keeper, store, wrong } = await start(device);
  if (wrong !== undefined) return wrong;
  if (keeper.state.trial !== null) await keeper.step({ kind: 'revert', why: 'cancelled', stamp: STAMP });
  await begin(device, keeper, store);
  const { trial } = keeper.state;
  if (trial === null) return 'no change could be begun';
  await confirm(device, keeper, trial);
  device.disk.powerCut();
  device.boot += 1;
  return (await start(device)).wrong;
}
