/**
 * Checks what `encodeEvent` signed: the literal bytes before the last `,"sig":`. Pure functions over bytes. A signature
 * shows which key signed these bytes and nothing else: not that the meter measured right, and not when.
 */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { SIGNATURE_MARK } from './event.ts';

/** A public key by which signatures are judged. */
export interface VerifyingKey {
  readonly keyId: string;
  readonly key: KeyObject;
}

export type SignatureVerdict = 'good' | 'bad' | 'unsigned' | 'unknown-key';

/** From SubjectPublicKeyInfo in DER. Throws when it is none, or not of a kind that signs events. */
export function verifyingKey(spki: Buffer): VerifyingKey {
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type !== 'ed25519' && !(type === 'ec' && details?.namedCurve === 'prime256v1')) {
    throw new Error(`must be an Ed25519 or P-256 key, got ${type}`);
  }
  return { keyId: createHash('sha256').update(spki).digest('base64url').slice(0, 16), key };
}

/** `keyId`: what the event says of its key; undefined when it is not signed. */
export function judgeSignature(
  payload: Buffer,
  keyId: unknown,
  keys: ReadonlyMap<string, VerifyingKey>,
): SignatureVerdict {
  const at = payload.lastIndexOf(SIGNATURE_MARK);
  if (typeof keyId !== 'string') return at < 0 ? 'unsigned' : 'bad';
  const known = keys.get(keyId);
  if (known === undefined) return 'unknown-key';
  const found = /^"([\w-]+)"\}$/.exec(payload.toString('latin1', at + SIGNATURE_MARK.length));
  if (at < 0 || found?.[1] === undefined) return 'bad';
  return isSignature(payload.subarray(0, at), Buffer.from(found[1], 'base64url'), known.key) ? 'good' : 'bad';
}

/** Also for the trailer of an exported file. */
export function isSignature(bytes: Buffer, signature: Buffer, key: KeyObject): boolean {
  try {
    if (key.asymmetricKeyType === 'ed25519') return verify(null, bytes, key, signature);
    return verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, signature);
  } catch {
    return false;
  }
}
