/**
 * The controls: naive agents, a careless variant of fieldpost itself, receipts left off and a disk that forgets, under the
 * same faults. A matrix in which they lose and double nothing proves nothing.
 */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeTemporaryDirectory } from '../../src/workbench/temp.ts';
import { Undo } from '../../src/workbench/undo.ts';
import { duplicatesOf, type RowContext, type RowResult, type Skipped } from './row.ts';
import { powerModel } from './rows/power-model.ts';
import { brokerForgets, randomKills } from './rows/random-kills.ts';
import { brokerSnapshot } from './rows/snapshot.ts';

/** What a careless one has not sent by then it has lost. */
const DRAIN_MS = 5000;

export interface Control {
  readonly name: string;
  /** What this one must be seen to do. */
  readonly shows: 'lost' | 'duplicates';
  readonly run: (context: RowContext) => Promise<RowResult | Skipped>;
}

export interface ControlResult {
  readonly control: Control;
  readonly result: RowResult | Skipped;
  readonly lost: number;
  /** Repeats on the wire among them: the broker keeps its state where a control is to show duplicates. */
  readonly duplicates: number;
  /** The fault that it was there to show was seen, or it could not run. */
  readonly seen: boolean;
}

export const CONTROLS: readonly Control[] = [
  { name: 'acknowledged before it is on disk', shows: 'lost', run: (context) => naive(context, 'memory') },
  { name: 'sent again under new numbers', shows: 'duplicates', run: (context) => naive(context, 'renumber') },
  { name: 'PUBREL without its mark on disk', shows: 'duplicates', run: releasedUnmarked },
  {
    name: 'receipts off, broker-forgets',
    shows: 'lost',
    run: (context) => brokerForgets(context, false, DRAIN_MS),
  },
  {
    name: 'receipts off, broker-snapshot',
    shows: 'lost',
    run: (context) => brokerSnapshot(context, false, DRAIN_MS),
  },
  { name: 'sync without effect, power-model', shows: 'lost', run: (context) => powerModel(context, false) },
];

export async function runControl(control: Control, context: RowContext): Promise<ControlResult> {
  const result = await control.run(context);
  if ('skipped' in result) return { control, result, lost: 0, duplicates: 0, seen: true };
  const { lost } = result.bill;
  const duplicates = duplicatesOf(result.bill, control.shows === 'duplicates');
  return { control, result, lost, duplicates, seen: (control.shows === 'lost' ? lost : duplicates) > 0 };
}

function naive(context: RowContext, kind: 'memory' | 'renumber'): Promise<RowResult> {
  const tsx = import.meta.resolve('tsx');
  const file = join(import.meta.dirname, 'naive-agent.ts');
  const program = [process.execPath, '--import', tsx, file, kind] as const;
  return randomKills({ ...context, program }, { brokerFaults: 'none', drainMs: DRAIN_MS });
}

const MARKED = 'ledger.release(effect.life, effect.seq)';
const UNMARKED =
  "this.#perform(attached, attached.lanes.flight.releasedOnDisk(effect.life, effect.seq) ?? { kind: 'none' }, packets)";

/** fieldpost as it is built, but for one step: PUBREL leaves at once, and that it left is never written. */
async function releasedUnmarked(context: RowContext): Promise<RowResult> {
  const undo = new Undo();
  try {
    const directory = await makeTemporaryDirectory('careless');
    undo.add(directory.remove);
    const built = context.program.at(-1) ?? '';
    await cp(dirname(built), directory.path, { recursive: true });
    const careless = join(directory.path, 'fieldpost.mjs');
    const text = await readFile(careless, 'utf8');
    if (text.split(MARKED).length !== 2) throw new Error(`the built file does not hold "${MARKED}" once`);
    await writeFile(careless, text.replace(MARKED, UNMARKED));
    return await randomKills({ ...context, program: [process.execPath, careless] }, { brokerFaults: 'none' });
  } finally {
    await undo.run();
  }
}
