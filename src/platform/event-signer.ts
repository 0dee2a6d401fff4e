/**
 * The key that signs events: this device's own, made at the first start, in a file that only the service may read. It
 * never leaves the device; the public part is in `up/info` and in the `ledger.key` event. A key that is lost or damaged
 * is replaced, and the ledger says so: events that can not be signed for ever would be worth less than a new key.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { accessSync, constants, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Fault, reasonOf } from '../fault.ts';
import { type EventSigner, type Log, SIGNATURE_ALGORITHMS, type SignatureAlgorithm } from '../ports.ts';
import { makeDirectory } from './directories.ts';
import { writeDurably } from './durable-file.ts';
import { readPrivateFile } from './private-files.ts';

/**
 * Throws Fault `key.exposed` when others may read the key, `state.disk` when a new one can not be kept. `directory`: where
 * small state is.
 */
export function eventSigner(directory: string, algorithm: SignatureAlgorithm, log: Log): EventSigner {
  const path = pathOf(directory, algorithm);
  return signerOf(readKey(path, algorithm, log) ?? makeKey(path, algorithm), algorithm);
}

/** Throws what `eventSigner` would, and makes nothing. */
export function checkEventSigner(directory: string, algorithm: SignatureAlgorithm): void {
  const path = pathOf(directory, algorithm);
  try {
    readPrivateFile(path, 'event signing key');
  } catch (error) {
    if (error instanceof Fault && error.code === 'key.exposed') throw error;
    checkPlace(directory, path);
  }
}

/** Of a key that would have to be made. */
function checkPlace(directory: string, path: string): void {
  try {
    makeDirectory(directory);
    accessSync(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw notKept(path, error);
  }
}

function pathOf(directory: string, algorithm: SignatureAlgorithm): string {
  return join(directory, `event-signing-${algorithm}.pem`);
}

function signerOf(key: KeyObject, algorithm: SignatureAlgorithm): EventSigner {
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    algorithm,
    keyId: keyIdOf(publicKey),
    publicKey: publicKey.toString('base64'),
    sign: (bytes) => signatureOf(key, algorithm, bytes),
  };
}

/** For tools that sign beside the agent: undefined when there is no key that this user may read. */
export function existingSigner(directory: string): EventSigner | undefined {
  for (const algorithm of SIGNATURE_ALGORITHMS) {
    try {
      return signerOf(createPrivateKey(readPrivateFile(pathOf(directory, algorithm), 'event signing key')), algorithm);
    } catch {
      // Missing, or not this user's to read: what is exported then has no signature, and says so.
    }
  }
  return undefined;
}

function signatureOf(key: KeyObject, algorithm: SignatureAlgorithm, bytes: Buffer): string {
  if (algorithm === 'ed25519') return sign(null, bytes, key).toString('base64url');
  return sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
}

function keyIdOf(publicKey: Buffer): string {
  return createHash('sha256').update(publicKey).digest('base64url').slice(0, 16);
}

function readKey(path: string, algorithm: SignatureAlgorithm, log: Log): KeyObject | undefined {
  let pem: Buffer;
  try {
    pem = readPrivateFile(path, 'event signing key');
  } catch (error) {
    // One that others could have read is not used in silence, and not thrown away: a person decides.
    if (error instanceof Fault && error.code === 'key.exposed') throw error;
    return undefined;
  }
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === (algorithm === 'ed25519' ? 'ed25519' : 'ec')) return key;
    throw new Error(`is a key of type ${key.asymmetricKeyType}`);
  } catch (error) {
    renameSync(path, `${path}.bad`);
    log.error('event signing key is damaged: a new one is made', { kept_as: `${path}.bad`, reason: reasonOf(error) });
    return undefined;
  }
}

function makeKey(path: string, algorithm: SignatureAlgorithm): KeyObject {
  const { privateKey } =
    algorithm === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  try {
    // On disk before the first event names it: an event must not be signed by a key that a power cut takes away.
    writeDurably(path, privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), 0o600);
  } catch (error) {
    throw notKept(path, error);
  }
  return privateKey;
}

function notKept(path: string, error: unknown): Fault {
  return new Fault('state.disk', `event signing key ${path}: can not be kept: ${reasonOf(error)}`, { cause: error });
}
