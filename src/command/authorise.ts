/**
 * Whether whoever sent a request may have this command run. A signature is judged wherever there is one, also where none is
 * asked for: a wrong one means that something is amiss. It counts for the devices and the command that it names, once, since
 * the number in it must be higher than any that this key has used here; a captured request for a dangerous command is of no use
 * in another session either. Pure but for what it is told.
 */
import type { Clock, SignatureJudge, Signer } from '../ports.ts';
import type { Command } from './command.ts';
import { type Mistake, mistake, parseRequest, type Request } from './request.ts';
import { readSignedBody, type SignedBody } from './signed-request.ts';

/** What a judgement of signatures needs. */
export interface Trust {
  readonly device: string;
  /** Undefined: the configuration names no signers. */
  readonly signatures: SignatureJudge | undefined;
  /** The highest number that a key has used; 0: none. */
  readonly counterOf: (key: string) => number;
  /** Of the connection that there is. */
  readonly session: () => string | undefined;
  readonly clock: Clock;
}

/** Who signed, and the number of it. */
export interface SignedBy extends Signer {
  readonly n: number;
}

export type Authorised =
  | { readonly kind: 'request'; readonly request: Request; readonly signed: SignedBy | undefined }
  | Mistake;

/** Numbers are often milliseconds since 1970. One far ahead, by a typing error, would lock its key out until then. */
const AHEAD_MS = 86_400_000;

export function authorise(
  command: Command,
  policy: 'on' | 'signed',
  id: string,
  payload: Buffer,
  trust: Trust,
): Authorised {
  const parsed = parseRequest(id, payload);
  if (parsed.kind === 'mistake') return parsed;
  if (parsed.kind === 'request') {
    if (policy === 'on') return { ...parsed, signed: undefined };
    return mistake('signature.missing', `${command.name} must be signed on this device: device.json /commands`);
  }
  if (trust.signatures === undefined) {
    return mistake('signature.signers', 'this device does not know who may sign: device.json /signers');
  }
  const verdict = trust.signatures.judge(Buffer.from(parsed.body, 'utf8'), parsed.sig);
  if (verdict.kind === 'bad') return mistake(verdict.code, verdict.message);
  const read = readSignedBody(id, parsed.body);
  if (read.kind === 'mistake') return read;
  const { body } = read;
  const { signer } = verdict;
  const wrong =
    otherPlace(command, body, trust) ?? usedNumber(body, signer, trust) ?? otherSession(command, body, trust);
  return wrong ?? { kind: 'request', request: body.request, signed: { ...signer, n: body.n } };
}

function otherPlace(command: Command, body: SignedBody, { device }: Trust): Mistake | undefined {
  if (body.command !== command.name) {
    return mistake('signature.command', `was signed for another command than ${command.name}`);
  }
  const isForAll = body.devices.includes('*');
  if (isForAll && command.changes) {
    return mistake('signature.device', 'device "*" is for commands that change nothing: name the devices');
  }
  return isForAll || body.devices.includes(device)
    ? undefined
    : mistake('signature.device', `was signed for another device than ${device}`);
}

function usedNumber({ n }: SignedBody, { key }: Signer, { counterOf, clock }: Trust): Mistake | undefined {
  const used = counterOf(key);
  if (n <= used) return mistake('signature.counter', `n must be higher than ${used}, the last of this key, got ${n}`);
  if (clock.quality() !== 'synced' || n <= clock.wallMs() + AHEAD_MS) return undefined;
  return mistake('signature.counter', `n must be at most the milliseconds since 1970 of tomorrow, got ${n}`);
}

function otherSession(command: Command, { nonce }: SignedBody, { session }: Trust): Mistake | undefined {
  if (nonce === undefined && command.dangerous !== true) return undefined;
  if (nonce !== undefined && nonce === session()) return undefined;
  const why = nonce === undefined ? 'must be given' : 'is of another session';
  return mistake('signature.session', `ctx.nonce ${why}: sign with the session of the device's status as it is now`);
}
