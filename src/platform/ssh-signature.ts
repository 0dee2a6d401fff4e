/**
 * A signature as `ssh-keygen -Y sign` writes it (OpenSSH, PROTOCOL.sshsig): its armour, what it says of itself, and whether
 * it is sound. Whether its key is anybody's who may sign is another question: allowed-signers.ts.
 *
 *   "SSHSIG" | uint32 1 | string public key | string namespace | string reserved | string hash | string signature
 *
 * and what is signed is "SSHSIG", namespace, reserved, hash, and the digest of the text.
 */
import { createHash } from 'node:crypto';
import type { SignatureFault } from '../ports.ts';
import { isSshKeyType, parseSshKey, type SshKey, sshKeyType } from './ssh-key.ts';
import { SshReader, sshString } from './ssh-wire.ts';

/** One by the largest of our keys is about 600 bytes. */
const ARMOUR_LETTERS_MAX = 4096;
const ARMOUR = /^-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)\r?\n-----END SSH SIGNATURE-----(?:\r?\n)?$/;
const MAGIC = Buffer.from('SSHSIG', 'latin1');
const HASHES: readonly string[] = ['sha512', 'sha256'];

export type SshSignature =
  | { readonly kind: 'sound'; readonly key: SshKey; readonly namespace: string }
  | { readonly kind: 'bad'; readonly code: SignatureFault; readonly message: string };

/** Whether `armour` holds a sound signature of `text` by the key that it names. Never throws. */
export function checkSshSignature(text: Buffer, armour: string): SshSignature {
  const blob = readArmour(armour);
  if (blob === undefined) return bad('signature.malformed', 'sig must be a text as ssh-keygen -Y sign writes it');
  try {
    return checkBlob(text, blob);
  } catch {
    return bad('signature.malformed', 'what stands in sig is no signature of SSH');
  }
}

function checkBlob(text: Buffer, blob: Buffer): SshSignature {
  const reader = new SshReader(blob);
  if (!reader.take(MAGIC.length).equals(MAGIC)) throw new Error('not an SSH signature');
  if (reader.uint32() !== 1) return bad('signature.malformed', 'sig must be an SSH signature of version 1');
  const keyBlob = reader.string();
  const namespace = reader.text();
  const reserved = reader.string();
  const hash = reader.text();
  const signature = reader.string();
  reader.end();
  if (!isSshKeyType(sshKeyType(keyBlob))) {
    return bad('signature.algorithm', 'the key must be Ed25519, also in a security key, or ECDSA on P-256');
  }
  if (!HASHES.includes(hash)) return bad('signature.algorithm', `the hash must be ${HASHES.join(' or ')}`);
  const key = parseSshKey(keyBlob);
  const digest = createHash(hash).update(text).digest();
  const parts = [sshString(namespace), sshString(reserved), sshString(hash), sshString(digest)];
  if (!key.verifies(Buffer.concat([MAGIC, ...parts]), signature)) {
    return bad('signature.wrong', 'this is no signature of the text in body');
  }
  return { kind: 'sound', key, namespace };
}

function readArmour(armour: string): Buffer | undefined {
  if (armour.length > ARMOUR_LETTERS_MAX) return undefined;
  const text = ARMOUR.exec(armour)?.[1]?.replaceAll(/[\r\n]/g, '');
  if (text === undefined) return undefined;
  const blob = Buffer.from(text, 'base64');
  // Buffer.from skips what is not base64.
  return blob.toString('base64') === text ? blob : undefined;
}

function bad(code: SignatureFault, message: string): SshSignature {
  return { kind: 'bad', code, message };
}
