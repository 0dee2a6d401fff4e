/**
 * `fieldpost command`: asks a device, or all devices of a group, for something, and shows how it goes until it is done. The exit
 * status says how it ended. It signs with an SSH key where `--sign` names one.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { groupCommandTopic, responseFilter, topicsOf } from '../broker/topics.ts';
import { parseBrokerUrl } from '../broker-url.ts';
import { DANGEROUS_COMMANDS } from '../config/command-names.ts';
import { Fault } from '../fault.ts';
import { REQUEST_BYTES_MAX } from '../limits.ts';
import { loadIdentity } from '../platform/identity.ts';
import type { LinkCredentials } from '../platform/mqtt-link.ts';
import type { InboundMessage } from '../ports-broker.ts';
import { Answers } from './command-answers.ts';
import { exchange, type Exchange } from './command-exchange.ts';
import { Pieces, type Whole, withoutBytes } from './command-pieces.ts';
import { parseOptions, type Question, readQuestion, type Values } from './command-question.ts';
import { nextNumber, signByKey } from './command-signature.ts';
import { responseText } from './command-text.ts';
import { goesOnText, silenceText, unfinishedText } from './command-wait.ts';
import { EXIT } from './exit.ts';
import { KeptRequests } from './kept-requests.ts';
import { print } from './print.ts';

type Document = Readonly<Record<string, unknown>>;

export async function commandCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(args);
  const kept = new KeptRequests(process.env);
  const question = readQuestion(values, positionals, kept);
  const answers = new Answers();
  const pieces = new Pieces();
  let isKept = question.again !== undefined;
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
    const isFirst = answers.isSilent;
    const isEnd = answers.take(device, response);
    if (isFirst && !isEnd && isKept && question.wait.endMs > question.wait.answerMs) tell(goesOnText(question));
    return isEnd && question.group === undefined;
  };
  let shown: Promise<void> = Promise.resolve();
  const request = async (status: Buffer | undefined): Promise<Buffer> => {
    const payload = await makeRequest(question, status);
    isKept ||= keep(kept, question, payload);
    return payload;
  };
  const isEnded = await exchange({ ...exchangeOf(question), request, onAnswer, tell });
  await shown;
  if (isEnded) kept.forget(question.id);
  const asked = { ...question, isKept };
  if (answers.isSilent) throw new Fault('broker.unreachable', silenceText(asked));
  const open = answers.open.map(([device, last]) => unfinishedText(asked, device, last));
  if (open.length > 0) throw new Fault('broker.unreachable', open.join('; '));
  if (!answers.isGood) return EXIT.failed;
  return values.out === undefined ? EXIT.done : writeOut(values.out, pieces.whole(answers.result), tell);
}

/** Before it leaves: whoever is killed while waiting can ask again too. */
function keep(kept: KeptRequests, question: Question, payload: Buffer): boolean {
  const { id, command, device, correlationData, values } = question;
  if (device === undefined) return false;
  const { prefix } = values;
  const correlation = correlationData.toString('base64');
  return kept.keep(id, { command, device, prefix, correlation, payload: payload.toString('utf8') });
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

function exchangeOf(question: Question): Omit<Exchange, 'request' | 'onAnswer' | 'tell'> {
  const { command, id, device, group, wait, correlationData, again, values } = question;
  const { url = '', prefix, sign } = values;
  const topics = topicsOf(prefix, device ?? '+');
  const isSigned = again === undefined && sign !== undefined && device !== undefined;
  const isDangerous = isSigned && DANGEROUS_COMMANDS.includes(command);
  const clientIdentifier = `fieldpost-command-${randomBytes(6).toString('hex')}`;
  return {
    url,
    protocol: values.protocol === '5' ? 5 : 4,
    credentials: credentialsOf(values, clientIdentifier),
    clientIdentifier,
    topic: group === undefined ? topics.command(command, id) : groupCommandTopic(prefix, group, command, id),
    answers: responseFilter(prefix, device ?? '+', command, id),
    responseTopic: device === undefined ? undefined : topics.response(command, id),
    correlationData,
    statusTopic: isDangerous ? topics.status : undefined,
    wait,
  };
}

async function makeRequest(question: Question, status: Buffer | undefined): Promise<Buffer> {
  const { command, id, args, device, wait, again, values } = question;
  if (again !== undefined) return Buffer.from(again.payload, 'utf8');
  const expires = new Date(Date.now() + wait.answerMs).toISOString();
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
