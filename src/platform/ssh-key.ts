/**
 * Public keys of SSH and what they have signed: Ed25519, ECDSA on P-256, and Ed25519 in a FIDO security key, where the
 * signature counts only if somebody touched the key for it. No others: RSA is large and has hashes to choose from.
 */
import { createHash, createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';
import { SshReader } from './ssh-wire.ts';

export interface SshKey {
  /** `SHA256:` and the digest, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
  /** Whether `signature`, in the encoding of SSH, is this key's for `signed`. */
  verifies(signed: Buffer, signature: Buffer): boolean;
}

export const SSH_KEY_TYPES = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'sk-ssh-ed25519@openssh.com'] as const;
type SshKeyType = (typeof SSH_KEY_TYPES)[number];

/** Of r and of s on P-256, and of an Ed25519 key. */
const NUMBER_BYTES = 32;
/** In the flags of a security key: somebody was there. */
const TOUCHED = 1;

export function isSshKeyType(name: string): name is SshKeyType {
  return SSH_KEY_TYPES.some((type) => type === name);
}

/** The name of the kind, whether it is one of ours or not; throws when these bytes are no key. */
export function sshKeyType(blob: Buffer): string {
  return new SshReader(blob).text();
}

/** Throws when the bytes are no key of ours. */
export function parseSshKey(blob: Buffer): SshKey {
  const reader = new SshReader(blob);
  const type = reader.text();
  const verifies = isSshKeyType(type) ? verifierOf(type, reader) : undefined;
  if (verifies === undefined) throw new Error('not a kind of key that is known');
  reader.end();
  const fingerprint = `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
  return {
    fingerprint,
    verifies: (signed, signature) => {
      try {
        const parts = new SshReader(signature);
        return parts.text() === type && verifies(signed, parts);
      } catch {
        return false;
      }
    },
  };
}

type Verifies = (signed: Buffer, signature: SshReader) => boolean;

function verifierOf(type: SshKeyType, reader: SshReader): Verifies {
  if (type === 'ecdsa-sha2-nistp256') return ecdsaVerifier(reader);
  const key = ed25519Key(reader.string());
  if (type === 'ssh-ed25519') {
    return (signed, parts) => {
      const signature = lastOf(parts);
      return signature.length === 64 && verify(null, signed, key, signature);
    };
  }
  const application = sha256(reader.string());
  return (signed, parts) => {
    const signature = parts.string();
    const flagsAndCounter = parts.take(5);
    parts.end();
    const told = Buffer.concat([application, flagsAndCounter, sha256(signed)]);
    const touched = ((flagsAndCounter[0] ?? 0) & TOUCHED) !== 0;
    return touched && signature.length === 64 && verify(null, told, key, signature);
  };
}

function ed25519Key(point: Buffer): KeyObject {
  if (point.length !== NUMBER_BYTES) throw new Error('not an Ed25519 key');
  return publicKey({ kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') });
}

function ecdsaVerifier(reader: SshReader): Verifies {
  const curve = reader.text();
  const point = reader.string();
  // Uncompressed: 4, x, y.
  if (curve !== 'nistp256' || point.length !== 1 + 2 * NUMBER_BYTES || point[0] !== 4)
    throw new Error('not a P-256 key');
  const [x, y] = [point.subarray(1, 1 + NUMBER_BYTES), point.subarray(1 + NUMBER_BYTES)];
  const key = publicKey({ kty: 'EC', crv: 'P-256', x: x.toString('base64url'), y: y.toString('base64url') });
  return (signed, parts) => {
    const numbers = new SshReader(lastOf(parts));
    const signature = Buffer.concat([fixedNumber(numbers.string()), fixedNumber(numbers.string())]);
    numbers.end();
    return verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature);
  };
}

function lastOf(parts: SshReader): Buffer {
  const bytes = parts.string();
  parts.end();
  return bytes;
}

/** A number of variable length, with a zero before a first bit that is set, in 32 bytes. */
function fixedNumber(bytes: Buffer): Buffer {
  const digits = bytes[0] === 0 ? bytes.subarray(1) : bytes;
  if (digits.length > NUMBER_BYTES) throw new Error('too large a number');
  return Buffer.concat([Buffer.alloc(NUMBER_BYTES - digits.length), digits]);
}

function publicKey(key: JsonWebKey): KeyObject {
  return createPublicKey({ key, format: 'jwk' });
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
