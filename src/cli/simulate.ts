/**
 * `fieldpost simulate`: a virtual meter on a pseudo-terminal or a TCP port, to try a configuration without the device.
 * The meters are on the workbench, which is loaded only here: the service never carries it.
 */
import { parseArgs } from 'node:util';
import { Fault } from '../fault.ts';
import { EXIT } from './exit.ts';
import { durationOption, numberOption, wholeOption } from './option-values.ts';
import { print } from './print.ts';
import { SECONDS, startRunTime } from './run-time.ts';
import { unknownText } from './sensor-choice.ts';

const OPTIONS = {
  pty: { type: 'boolean', default: false },
  tcp: { type: 'string' },
  link: { type: 'string' },
  every: { type: 'string' },
  seed: { type: 'string' },
  seconds: { type: 'string' },
  noise: { type: 'string', default: '0' },
  list: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

const TCP = /^(?:([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):)?(\d{1,5})$/;
const EVERY_MS = { low: 1, high: 86_400_000 };

export async function simulateCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
  // Loaded only here: virtual meters are not the service's.
  const { freshSeed, METERS, startMeter } = await import('../workbench/index.ts');
  if (values.list) {
    await print(listText(METERS, values.json));
    return EXIT.done;
  }
  const [name, more] = positionals;
  if (name === undefined || more !== undefined)
    throw new Fault('usage', 'one profile must be named; --list shows them');
  const kind = Object.hasOwn(METERS, name) ? METERS[name] : undefined;
  if (kind === undefined) throw new Fault('usage', unknownText('virtual meter', name, Object.keys(METERS)));
  const seed =
    values.seed === undefined ? freshSeed() : wholeOption('--seed', values.seed, { low: 0, high: 2 ** 32 - 1 });
  const seconds = values.seconds === undefined ? undefined : numberOption('--seconds', values.seconds, SECONDS);
  const noise = numberOption('--noise', values.noise, { low: 0, high: 1 });
  const every = values.every === undefined ? {} : { everyMs: durationOption('--every', values.every, EVERY_MS) };
  const meter = await startMeter({ kind, seed, line: lineOf(values), noise, ...every });
  const time = startRunTime(seconds);
  await print(values.json ? `${JSON.stringify({ profile: name, port: meter.where, seed })}\n` : `${meter.where}\n`);
  process.stderr.write(`virtual ${name}: ${kind.about}; seed ${seed}\n`);
  await time.ended;
  const { frames, bytes, lost } = await meter.end();
  process.stderr.write(`${frames} frames, ${bytes} bytes${lost === 0 ? '' : `; ${lost} said to nobody`}\n`);
  return EXIT.done;
}

function lineOf({ pty, tcp, link }: Values) {
  if (tcp === undefined) return { kind: 'pty', ...(link === undefined ? {} : { link }) } as const;
  if (pty || link !== undefined) throw new Fault('usage', 'either --pty [--link PATH], or --tcp PORT');
  const [, host = '127.0.0.1', digits] = TCP.exec(tcp) ?? [];
  if (digits === undefined || Number(digits) > 65_535) {
    throw new Fault('usage', `--tcp: must be a port or host:port, got ${JSON.stringify(tcp)}`);
  }
  return { kind: 'tcp', host: host.replaceAll(/[[\]]/g, ''), port: Number(digits) } as const;
}

function listText(meters: Readonly<Record<string, { readonly about: string }>>, json: boolean): string {
  const width = Math.max(...Object.keys(meters).map((name) => name.length));
  return Object.entries(meters)
    .map(([profile, { about }]) => (json ? JSON.stringify({ profile, about }) : `${profile.padEnd(width)}  ${about}`))
    .map((line) => `${line}\n`)
    .join('');
}
