/**
 * `fieldpost demo`: the promise, shown on one machine in half a minute. Everything but the arguments is on the workbench,
 * which is loaded only here: the service never carries it.
 */
import { parseArgs } from 'node:util';

const SECONDS_DEFAULT = 30;
const SECONDS = { low: 5, high: 86_400 };
const USAGE = 'usage: fieldpost demo [--broker embedded|mosquitto] [--seconds N] [--seed S] [--json]';

export async function demoCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      broker: { type: 'string', default: 'embedded' },
      seconds: { type: 'string', default: String(SECONDS_DEFAULT) },
      seed: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const { broker, json } = values;
  if (broker !== 'embedded' && broker !== 'mosquitto')
    return refuse(`--broker: must be embedded or mosquitto, got "${broker}"`);
  const seconds = Number(values.seconds);
  if (!(seconds >= SECONDS.low && seconds <= SECONDS.high)) {
    return refuse(`--seconds: must be ${SECONDS.low} to ${SECONDS.high}, got "${values.seconds}"`);
  }
  const seed = values.seed === undefined ? undefined : Number(values.seed);
  if (seed !== undefined && !Number.isSafeInteger(seed))
    return refuse(`--seed: must be a whole number, got "${values.seed}"`);
  const { runDemo } = await import('../workbench/index.ts');
  return runDemo({ broker, seconds, json, ...(seed === undefined ? {} : { seed }) });
}

function refuse(problem: string): number {
  process.stderr.write(`${problem}\n${USAGE}\n`);
  return 64;
}
