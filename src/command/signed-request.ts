/**
 * The body of a signed request: the text that somebody signed, taken apart once the signature is known to be good. Beside what
 * every request has, it names the devices and the command that it is for, counts up, and for a dangerous command names
 * the session that it was meant for. Pure.
 */
import { foundText, type Mistake, mistake, readDocument, readRequest, type Request } from './request.ts';

export interface SignedBody {
  readonly request: Request;
  /** `*`: every device. */
  readonly devices: readonly string[];
  readonly command: string;
  /** Rises with each request of a key. */
  readonly n: number;
  /** The session of the retained status, as the signer saw it. */
  readonly nonce: string | undefined;
}

const KEYS: readonly string[] = ['v', 'id', 'device', 'command', 'args', 'expires', 'by', 'n', 'ctx'];
const DEVICES_MAX = 64;

export function readSignedBody(
  id: string,
  text: string,
): { readonly kind: 'body'; readonly body: SignedBody } | Mistake {
  const read = readDocument(text);
  if (read.kind === 'mistake') return read;
  const { document } = read;
  const parsed = readRequest(id, document, KEYS);
  if (parsed.kind === 'mistake') return parsed;
  const { device, command, n, ctx } = document;
  // A topic is not signed: who can publish could send a body without an id under many.
  if (document['id'] === undefined)
    return mistake('request.id', `id must be ${id}, the topic's last level, in a signed body`);
  const devices = devicesOf(device);
  if (devices === undefined) {
    return mistake(
      'signature.device',
      `device must be a name, or a list of at most ${DEVICES_MAX}, got ${foundText(device)}`,
    );
  }
  if (typeof command !== 'string') {
    return mistake('signature.command', `command must be a name, got ${foundText(command)}`);
  }
  if (typeof n !== 'number' || !Number.isSafeInteger(n) || n < 1) {
    return mistake('signature.counter', `n must be a whole number from 1 on, got ${foundText(n)}`);
  }
  const nonce = nonceOf(ctx);
  if (nonce === null) return mistake('signature.session', `ctx must be {"nonce":"..."}, got ${foundText(ctx)}`);
  return { kind: 'body', body: { request: parsed.request, devices, command, n, nonce } };
}

function devicesOf(device: unknown): readonly string[] | undefined {
  const devices: unknown[] = Array.isArray(device) ? device : [device];
  const isFit = devices.length >= 1 && devices.length <= DEVICES_MAX;
  return isFit && devices.every((each) => typeof each === 'string') ? devices : undefined;
}

/** Null: not what it should be. */
function nonceOf(ctx: unknown): string | undefined | null {
  if (ctx === undefined) return undefined;
  if (typeof ctx !== 'object' || ctx === null || Object.keys(ctx).join() !== 'nonce') return null;
  const { nonce } = ctx as { readonly nonce: unknown };
  return typeof nonce === 'string' && nonce.length <= 128 ? nonce : null;
}
