/**
 * `fieldpost command`: asks a device, or all devices of a group, for something, and shows how it goes until it is done. The exit
 * status says how it ended. It signs with an SSH key where `--sign` names one.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import { groupCommandTopic, responseFilter, topicsOf } from '../broker/topics.ts';
import { ulid } from '../broker/ulid.ts';
import { BROKER_URL_EXPECTED, parseBrokerUrl } from '../broker-url.ts';
import { DANGEROUS_COMMANDS } from '../config/command-names.ts';
import { Fault } from '../fault.ts';
import { REQUEST_BYTES_MAX } from '../limits.ts';
import { systemChance } from '../platform/chance.ts';
import { loadIdentity } from '../platform/identity.ts';
import type { LinkCredentials } from '../platform/mqtt-link.ts';
import type { InboundMessage } from '../ports-broker.ts';
import { readArguments } from './command-arguments.ts';
import { exchange, type Exchange } from './command-exchange.ts';
import { Pieces, type Whole, withoutBytes } from './command-pieces.ts';
import { nextNumber, signByKey } from './command-signature.ts';
import { responseText } from './command-text.ts';
import { EXIT } from './exit.ts';
import { durationOption } from './option-values.ts';
import { print } from './print.ts';

const OPTIONS = {
  url: { type: 'string' },
  device: { type: 'string' },
  group: { type: 'string' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  'private-key': { type: 'string' },
  prefix: { type: 'string', default: 'fp/v1' },
  protocol: { type: 'string', default: '5' },
  within: { type: 'string', default: '30s' },
  by: { type: 'string' },
  sign: { type: 'string' },
  'signer-counter': { type: 'string' },
  out: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const LEVEL = /^[A-Za-z0-9._-]{1,64}$/;
const WITHIN_MS = { low: 1000, high: 3_600_000 };
const FINAL: readonly unknown[] = ['succeeded', 'failed', 'rejected', 'expired', 'in_doubt'];

type Values = ReturnType<typeof parseOptions>['values'];
type Document = Readonly<Record<string, unknown>>;

interface Question {
  readonly command: string;
  readonly id: string;
  readonly args: Document;
  /** One of them. */
  readonly device: string | undefined;
  readonly group: string | undefined;
  readonly withinMs: number;
  readonly values: Values;
}

export async function commandCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(args);
  const question = readQuestion(values, positionals);
  const answered = new Map<string, unknown>();
  const pieces = new Pieces();
  let last: Document = {};
  const tell = (sentence: string): void => void process.stderr.write(`${sentence}\n`);
  const onAnswer = (message: InboundMessage): boolean => {
    const device = message.topic.slice(values.prefix.length + 1).split('/')[0] ?? '';
    const response = readResponse(message, question);
    if (response === undefined) return false;
    const text = values.json
      ? `${JSON.stringify({ device, ...response })}\n`
      : responseText(device, withoutBytes(response));
    shown = shown.then(() => print(text));
    pieces.take(response);
    if (!FINAL.includes(response['status'])) return false;
    last = response;
    answered.set(device, response['status']);
    return question.group === undefined;
  };
  let shown: Promise<void> = Promise.resolve();
  await exchange({ ...exchangeOf(question), onAnswer, tell });
  await shown;
  if (answered.size === 0) throw new Fault('broker.unreachable', silenceText(question));
  if (![...answered.values()].every((status) => status === 'succeeded')) return EXIT.failed;
  return values.out === undefined ? EXIT.done : writeOut(values.out, pieces.whole(last['result']), tell);
}

/** For nobody else's eyes: a diagnosis has names and addresses in it. */
function writeOut(path: string, whole: Whole | string, tell: (sentence: string) => void): number {
  if (typeof whole === 'string') {
    tell(`${path} is not written: ${whole}`);
    return EXIT.failed;
  }
  writeFileSync(path, whole.bytes, { mode: 0o600 });
  tell(`${path}: ${whole.bytes.length} bytes${whole.isChecked ? ', checked' : ''}`);
  return EXIT.done;
}

function parseOptions(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
}

function readQuestion(values: Values, [command, ...words]: readonly string[]): Question {
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
  const withinMs = durationOption('--within', values.within, WITHIN_MS);
  const id = ulid(Date.now(), systemChance);
  return { command, id, args: readArguments(words), device, group, withinMs, values };
}

function exchangeOf(question: Question): Omit<Exchange, 'onAnswer' | 'tell'> {
  const { command, id, device, group, withinMs, values } = question;
  const { url = '', prefix, sign } = values;
  const topics = topicsOf(prefix, device ?? '+');
  const isDangerous = sign !== undefined && device !== undefined && DANGEROUS_COMMANDS.includes(command);
  const clientIdentifier = `fieldpost-command-${randomBytes(6).toString('hex')}`;
  return {
    url,
    protocol: values.protocol === '5' ? 5 : 4,
    credentials: credentialsOf(values, clientIdentifier),
    clientIdentifier,
    topic: group === undefined ? topics.command(command, id) : groupCommandTopic(prefix, group, command, id),
    answers: responseFilter(prefix, device ?? '+', command, id),
    responseTopic: device === undefined ? undefined : topics.response(command, id),
    correlationData: randomBytes(12),
    statusTopic: isDangerous ? topics.status : undefined,
    request: (status) => makeRequest(question, status),
    withinMs,
  };
}

async function makeRequest(question: Question, status: Buffer | undefined): Promise<Buffer> {
  const { command, id, args, device, withinMs, values } = question;
  const expires = new Date(Date.now() + withinMs).toISOString();
  const ordinary = { id, args, expires, by: (values.by ?? whoAsks()).slice(0, 128) };
  const { sign, 'signer-counter': counter } = values;
  let text = JSON.stringify({ v: 1, ...ordinary });
  if (sign !== undefined) {
    const n = nextNumber(counter, Date.now());
    const ctx = status === undefined ? {} : { ctx: { nonce: sessionOf(status) } };
    const body = JSON.stringify({ ...ordinary, device: device ?? '*', command, n, ...ctx });
    text = JSON.stringify({ v: 1, body, sig: await signByKey(sign, body) });
  }
  const payload = Buffer.from(text, 'utf8');
  if (payload.length > REQUEST_BYTES_MAX) {
    throw new Fault('usage', `the request must be at most ${REQUEST_BYTES_MAX} bytes, got ${payload.length}`);
  }
  return payload;
}

function sessionOf(status: Buffer): string {
  const { state, session, since } = readDocument(status) ?? {};
  if (state === 'online' && typeof session === 'string') return session;
  throw new Fault(
    'broker.unreachable',
    `the device is not online${typeof since === 'string' ? ` since ${since}` : ''}: a dangerous command is signed for the session that there is`,
  );
}

/** Undefined: not an answer to this request. */
function readResponse({ payload }: InboundMessage, { id, command }: Question): Document | undefined {
  const response = readDocument(payload);
  return response?.['id'] === id && response['command'] === command ? response : undefined;
}

function readDocument(payload: Buffer): Document | undefined {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Document) : undefined;
  } catch {
    return undefined;
  }
}

function credentialsOf(values: Values, clientIdentifier: string): LinkCredentials {
  const { url = '', ca, cert, 'private-key': key } = values;
  if (parseBrokerUrl(url)?.isSecure === true && ca === undefined) throw new Fault('usage', `${url} needs --ca FILE`);
  const pair = { ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) };
  const identity = ca === undefined ? undefined : loadIdentity({ ca, ...pair });
  const certificate = identity?.certificate;
  return {
    ca: identity?.ca,
    cert: identity?.cert,
    key: identity?.key,
    crl: undefined,
    // What is said of a refusal compares the two names; an operator's client identifier is any.
    certificate: certificate === undefined ? undefined : { ...certificate, commonName: clientIdentifier },
    username: undefined,
    password: undefined,
  };
}

function whoAsks(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // A user without a name, as in some containers.
    return hostname();
  }
}

function silenceText({ device, group, id, values }: Question): string {
  const who = device === undefined ? `no device of the group ${group ?? ''} has` : `${device} has not`;
  return `${who} answered ${id} within ${values.within}; the request has expired`;
}
