/**
 * `fieldpost config diff|adopt|drop`: what commands have put over device.json, for whoever stands at the device: shown, made
 * part of the file, or taken away. Works beside a running agent, which takes it once it is told to read the file again.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pointerOf } from '../config/problem.ts';
import { Fault, reasonOf } from '../fault.ts';
import { systemClock } from '../platform/clock.ts';
import { configDisk } from '../platform/config-disk.ts';
import { createLog } from '../platform/log.ts';
import { replaceFile } from '../platform/replace-file.ts';
import { type BaseFile, judgeValue, mayChange, withOverlay } from '../remote/judge.ts';
import { Keeper } from '../remote/keeper.ts';
import { leavesOf, type Table, valueAt } from '../remote/merge-patch.ts';
import { RemoteStore } from '../remote/store.ts';
import { loadConfig } from './config-file.ts';
import { stateDirectoryOf } from './credentials.ts';
import { EXIT } from './exit.ts';
import { print } from './print.ts';

const RELOAD = 'a running agent takes it with: systemctl reload fieldpost (or SIGHUP)';

interface Overlaid {
  readonly pointer: string;
  /** Undefined: device.json says nothing there. */
  readonly base: unknown;
  /** Undefined: it is taken away. */
  readonly effective: unknown;
  /** False: device.json does not let commands change it any more, so it does not count. */
  readonly allowed: boolean;
}

interface Look {
  readonly file: string;
  readonly base: BaseFile;
  readonly patch: Table;
  readonly keeper: Keeper;
  readonly overlaid: readonly Overlaid[];
  /** What is on trial, over the file; undefined: nothing is, or its overlay can not be read. */
  readonly onTrial: readonly Overlaid[] | undefined;
  /** What commands have changed could be read. */
  readonly isWhole: boolean;
}

export async function configCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { config: { type: 'string', default: 'device.json' }, json: { type: 'boolean', default: false } },
  });
  const [what = '', ...more] = positionals;
  if (!['diff', 'adopt', 'drop'].includes(what) || more.length > 0) {
    throw new Fault('usage', `must be followed by diff, adopt or drop, got ${JSON.stringify(positionals.join(' '))}`);
  }
  const loaded = loadConfig(values.config);
  if (loaded.kind === 'invalid') {
    process.stderr.write(loaded.text);
    return EXIT.config;
  }
  const base = { value: loaded.value as Table, config: loaded.config };
  const look = await lookAt(values.config, base, what);
  if (what === 'diff') return tell(look, values.json, undefined);
  const { trial, good } = look.keeper.state;
  if (trial !== null) {
    process.stderr.write(`revision ${trial.revision} is on trial: it ends by itself; then ask again\n`);
    return EXIT.failed;
  }
  if (good.file === null && look.isWhole)
    return tell(look, values.json, 'nothing to do: no command has changed the configuration');
  if (what === 'adopt' && !adopt(look)) return EXIT.failed;
  const why = what === 'adopt' ? 'adopted into device.json' : 'dropped at the device';
  await look.keeper.step({ kind: 'clear', why, stamp: look.keeper.stamp('') });
  return tell(look, values.json, `${what === 'adopt' ? `${look.file} has it now` : 'dropped'}; ${RELOAD}`);
}

/** Throws what can not be read, unless it is to be dropped anyway: that is the way out. */
async function lookAt(file: string, base: BaseFile, what: string): Promise<Look> {
  const log = createLog({ level: 'error', journal: false, write: (line) => void process.stderr.write(line) });
  const store = new RemoteStore(configDisk(join(stateDirectoryOf(base.config), 'config')), log);
  const keeper = new Keeper({ store, clock: systemClock, log, onSettled: () => undefined });
  await keeper.refresh();
  const overlay = await store.overlay(keeper.state.good);
  const isWhole = overlay !== undefined && !store.lost;
  if (!isWhole && what !== 'drop') {
    const place = store.lost ? 'what commands have changed' : `the overlay of revision ${keeper.state.good.revision}`;
    throw new Fault('state.disk', `${place} can not be read; "config drop" takes it away, and ${file} holds`);
  }
  const patch = overlay?.patch ?? {};
  const { trial } = keeper.state;
  const tried = trial === null ? undefined : await store.overlay(trial);
  const onTrial = tried === undefined ? undefined : overlaidBy(base, tried.patch);
  return { file, base, patch, keeper, overlaid: overlaidBy(base, patch), onTrial, isWhole };
}

function overlaidBy(base: BaseFile, patch: Table): readonly Overlaid[] {
  const effective = withOverlay(base, patch);
  return leavesOf(patch).map((leaf) => ({
    pointer: pointerOf(leaf),
    base: valueAt(base.value, leaf),
    effective: valueAt(effective, leaf),
    allowed: mayChange(leaf, base.config),
  }));
}

/** False: told why not. */
function adopt({ file, base, patch }: Look): boolean {
  const value = withOverlay(base, patch);
  if (judgeValue(base, value).kind === 'invalid') {
    process.stderr.write(`${file} and what commands have put over it do not fit together: drop it, or mend the file\n`);
    return false;
  }
  try {
    replaceFile(file, `${JSON.stringify(value, undefined, 2)}\n`);
    return true;
  } catch (error) {
    process.stderr.write(`${file}: not written: ${reasonOf(error)}\n`);
    return false;
  }
}

async function tell({ keeper, overlaid, onTrial }: Look, json: boolean, done: string | undefined): Promise<number> {
  const { good, trial } = keeper.state;
  if (json) {
    const tried = trial === null ? null : (onTrial ?? null);
    const members = { revision: good.revision, trial: trial?.revision ?? null, overlaid, onTrial: tried };
    await print(`${JSON.stringify({ ...members, done: done !== undefined })}\n`);
    return EXIT.done;
  }
  const lines = linesOf(overlaid);
  if (trial !== null) {
    const what = onTrial?.length === 0 ? ': the file alone' : '';
    lines.push(`revision ${trial.revision} is on trial${what}`, ...linesOf(onTrial ?? []).map((line) => `  ${line}`));
  }
  if (lines.length === 0) lines.push('no command has changed the configuration');
  await print(`${(done === undefined ? lines : [...lines, done]).join('\n')}\n`);
  return EXIT.done;
}

function linesOf(overlaid: readonly Overlaid[]): string[] {
  return overlaid.map(({ pointer, base, effective, allowed }) =>
    allowed
      ? `${pointer}: ${textOf(base)} -> ${textOf(effective)}`
      : `${pointer}: ${textOf(base)} (an overlay that /remote/allow no longer lets count)`,
  );
}

function textOf(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing';
}
