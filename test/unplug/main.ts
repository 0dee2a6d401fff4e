/**
 * `npm run unplug -- --trials N --seed S [--json]`: N hang-ups of a tty in each of the situations a line can be in, before
 * fieldpost's line, and as the control a few before serialport's own reading. Exit status 1 when one was not seen within a
 * second, cost processor time afterwards, glued a frame or let a write stray, or when the control shows no fault.
 */
import { parseArgs } from 'node:util';
import { freshSeed, seededRandom } from '../../src/workbench/random.ts';
import { type ControlRow, faultsOf, isBlind, type Row, runControl, runTrials } from './run.ts';
import { SITUATIONS } from './situations.ts';

const AFTER_MS = 1000;
/** Of the control: at full speed each of them fails. */
const CONTROL_TRIALS_EACH = 2;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      trials: { type: 'string', default: '200' },
      seed: { type: 'string', default: String(freshSeed()) },
      json: { type: 'boolean', default: false },
    },
  });
  const [trials, seed] = [Number(values.trials), Number(values.seed)];
  if (!Number.isSafeInteger(trials) || trials < SITUATIONS.length || !Number.isSafeInteger(seed)) {
    const least = `--trials must be a whole number of at least ${SITUATIONS.length}, --seed a whole number`;
    process.stderr.write(`${least}; got "${values.trials}" and "${values.seed}"\n`);
    return 64;
  }
  process.stderr.write(`unplug: ${trials} trials, seed ${seed}\n`);
  const random = seededRandom(seed);
  let done = 0;
  const all = trials + CONTROL_TRIALS_EACH * SITUATIONS.length;
  const onTrial = (): void => {
    done += 1;
    if (done % 20 === 0 || done === all) process.stderr.write(`${done}/${all}\n`);
  };
  const options = { random, afterMs: AFTER_MS, onTrial };
  const rows = await runTrials(trials, options);
  const control = await runControl(CONTROL_TRIALS_EACH, options);
  const faults = faultsOf(rows);
  if (isBlind(control)) faults.push('the control, serialport as it comes, shows no fault: the harness is blind');
  (values.json ? process.stderr : process.stdout).write(table(rows, control));
  for (const fault of faults) process.stderr.write(`FAILED: ${fault}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify({ trials, seed, rows, control, faults })}\n`);
  return faults.length === 0 ? 0 : 1;
}

function table(rows: readonly Row[], control: readonly ControlRow[]): string {
  const head = ['', 'trials', 'seen in 1 s', 'slowest ms', 'CPU after %', 'torn frames', 'stray writes'];
  const cells = (name: string, row: ControlRow & Partial<Row>): string[] => [
    name,
    String(row.trials),
    String(row.seen),
    row.slowestMs.toFixed(1),
    (row.cpuAfter * 100).toFixed(1),
    String(row.torn ?? '-'),
    String(row.stray ?? '-'),
  ];
  const lines = [
    head,
    ...rows.map((row) => cells(row.situation, row)),
    ...control.map((row) => cells(`control: ${row.situation}`, row)),
  ];
  const widths = head.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  const text = (line: readonly string[]): string =>
    line.map((cell, at) => (at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  ');
  return `${lines.map(text).join('\n')}\n`;
}

process.exitCode = await main();
