/**
 * `npm run fuzz -- --cases N --seed S [--json]`: N mutated packets from a broker to the built agent, seven in ten over MQTT
 * 5 and the others over 3.1.1, then the controls. Exit status 1 when the agent ended, hung or grew, when a sale was lost or
 * came under two identities, or when a planted fault was not found.
 */
import { parseArgs } from 'node:util';
import { freshSeed, seededRandom } from '../../src/workbench/random.ts';
import { builtProgram } from '../rig/agent-process.ts';
import { CONTROLS } from './controls.ts';
import { type FuzzResult, runFuzz } from './run.ts';
import { faultsOf } from './verdict.ts';

const SHARE_OF_5 = 0.7;
const CONTROL_PATIENCE_MS = 5000;
const PROGRESS_EVERY = 500;

interface Ran {
  readonly protocol: 4 | 5;
  readonly result: FuzzResult;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: '10000' },
      seed: { type: 'string', default: String(freshSeed()) },
      json: { type: 'boolean', default: false },
    },
  });
  const [cases, seed] = [Number(values.cases), Number(values.seed)];
  if (!Number.isSafeInteger(cases) || cases < 2 || !Number.isSafeInteger(seed)) {
    process.stderr.write(`--cases and --seed: must be whole numbers, got "${values.cases}" and "${values.seed}"\n`);
    return 64;
  }
  process.stderr.write(`fuzz: ${cases} cases, seed ${seed}\n`);
  const program = builtProgram();
  const ofFive = Math.max(1, Math.round(cases * SHARE_OF_5));
  const ran: Ran[] = [];
  for (const protocol of [5, 4] as const) {
    const result = await runFuzz({
      program,
      protocol,
      cases: protocol === 5 ? ofFive : cases - ofFive,
      random: seededRandom(seed + protocol),
      progress: (at) => {
        if (at % PROGRESS_EVERY === 0) process.stderr.write(`${protocol === 5 ? 'MQTT 5' : '3.1.1'}: ${at} cases\n`);
      },
    });
    ran.push({ protocol, result });
  }
  const controls: { readonly name: string; readonly found: boolean }[] = [];
  for (const { name, shows, ...control } of CONTROLS) {
    const random = seededRandom(seed);
    const { broken } = await runFuzz({
      ...control,
      program,
      protocol: 5,
      random,
      patienceMs: CONTROL_PATIENCE_MS,
    });
    controls.push({ name, found: shows.test(broken ?? '') });
  }
  const out = values.json ? process.stderr : process.stdout;
  for (const { protocol, result } of ran) out.write(report(protocol, result));
  for (const { name, found } of controls) out.write(`control: ${name}: ${found ? 'found' : 'NOT FOUND'}\n`);
  const faults = [
    ...ran.flatMap(({ result }) => faultsOf(result)),
    ...controls.filter(({ found }) => !found).map(({ name }) => `the control was not found: ${name}`),
  ];
  for (const fault of faults) process.stderr.write(`FAILED: ${fault}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify({ cases, seed, runs: ran, controls, faults })}\n`);
  return faults.length === 0 ? 0 : 1;
}

function report(protocol: 4 | 5, { cases, applied, bill, rss, ...rest }: FuzzResult): string {
  return [
    `MQTT ${protocol === 5 ? '5' : '3.1.1'}`,
    `cases           ${cases} packets mutated in ${Object.keys(applied).length} ways, in ${rest.seconds} s`,
    `connections     ${rest.connections}, the slowest came after ${rest.slowestReconnectMs} ms`,
    `sales           ${bill.sold}, lost ${bill.lost.length}, doubled ${bill.doubled.length}, forks ${bill.forks}`,
    `repeats         ${bill.repeats} on the wire, epochs ${bill.epochs}`,
    `memory          ${rss.first} MiB at first, ${rss.most} at most, ${rss.last} at last`,
    '',
    '',
  ].join('\n');
}

process.exitCode = await main();
