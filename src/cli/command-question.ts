/**
 * The command line of `fieldpost command` as a question: what is asked of whom and for how long, anew or, by `--id`, once more as
 * it was. What can not be meant is refused before anything is connected.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { ulid } from '../broker/ulid.ts';
import { BROKER_URL_EXPECTED, parseBrokerUrl } from '../broker-url.ts';
import { Fault } from '../fault.ts';
import { systemChance } from '../platform/chance.ts';
import { readArguments } from './command-arguments.ts';
import { type Wait, waitOf } from './command-wait.ts';
import type { KeptRequest, KeptRequests } from './kept-requests.ts';

const OPTIONS = {
  url: { type: 'string' },
  device: { type: 'string' },
  group: { type: 'string' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  'private-key': { type: 'string' },
  prefix: { type: 'string', default: 'fp/v1' },
  protocol: { type: 'string', default: '5' },
  within: { type: 'string' },
  id: { type: 'string' },
  by: { type: 'string' },
  sign: { type: 'string' },
  'signer-counter': { type: 'string' },
  out: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const LEVEL = /^[A-Za-z0-9._-]{1,64}$/;

export type Values = ReturnType<typeof parseOptions>['values'];
type Document = Readonly<Record<string, unknown>>;

export interface Question {
  readonly command: string;
  readonly id: string;
  readonly args: Document;
  /** One of them. */
  readonly device: string | undefined;
  readonly group: string | undefined;
  readonly wait: Wait;
  /** Of MQTT 5. */
  readonly correlationData: Buffer;
  /** It is asked again, as it was. */
  readonly again: KeptRequest | undefined;
  readonly values: Values;
}

export function parseOptions(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
}

export function readQuestion(values: Values, [command, ...words]: readonly string[], kept: KeptRequests): Question {
  const { url, device, group, protocol, prefix } = values;
  if (command === undefined) throw new Fault('usage', 'needs the name of a command');
  if (!LEVEL.test(command)) throw new Fault('usage', `must be the name of a command, got ${JSON.stringify(command)}`);
  if (url === undefined || parseBrokerUrl(url) === undefined) {
    throw new Fault('usage', `--url: must be ${BROKER_URL_EXPECTED}, got ${JSON.stringify(url ?? '')}`);
  }
  if ((device === undefined) === (group === undefined)) throw new Fault('usage', 'needs --device ID, or --group NAME');
  if (values.out !== undefined && group !== undefined) {
    throw new Fault('usage', '--out: goes with --device: devices of a group have results of their own');
  }
  for (const [option, name] of [
    ['--device', device],
    ['--group', group],
  ] as const) {
    if (name !== undefined && !LEVEL.test(name)) {
      throw new Fault('usage', `${option}: must be 1 to 64 of A-Z a-z 0-9 . _ -, got ${JSON.stringify(name)}`);
    }
  }
  if (prefix === '' || /[#+\0]/.test(prefix))
    throw new Fault('usage', `--prefix: must be levels of a topic, got "${prefix}"`);
  if (protocol !== '5' && protocol !== '4') throw new Fault('usage', `--protocol: must be 5 or 4, got "${protocol}"`);
  if (values.sign === undefined && values['signer-counter'] !== undefined) {
    throw new Fault('usage', '--signer-counter: goes with --sign KEYFILE');
  }
  if (values.id !== undefined) return askAgain(values, values.id, command, words, kept);
  const args = readArguments(words);
  const wait = waitOf(values.within, command, args);
  const correlationData = randomBytes(12);
  const id = ulid(Date.now(), systemChance);
  return { command, id, args, device, group, wait, correlationData, again: undefined, values };
}

/** Only as it was: under one id a device takes no other request. */
function askAgain(values: Values, id: string, command: string, words: readonly string[], kept: KeptRequests): Question {
  const { device, group, sign, prefix } = values;
  if (!LEVEL.test(id)) throw new Fault('usage', `--id: must be the id of a request, got ${JSON.stringify(id)}`);
  if (words.length > 0 || sign !== undefined || group !== undefined) {
    const whole = 'the request is sent as it was, with its arguments and its signature';
    throw new Fault('usage', `--id: goes with --device, and without arguments and --sign: ${whole}`);
  }
  const again = kept.find(id);
  if (again.command !== command || again.device !== device || again.prefix !== prefix) {
    throw new Fault('usage', `--id ${id}: was ${again.command} to ${again.device} below ${again.prefix}`);
  }
  const wait = waitOf(values.within, command, {});
  const correlationData = Buffer.from(again.correlation, 'base64');
  return { command, id, args: {}, device, group, wait, correlationData, again, values };
}
