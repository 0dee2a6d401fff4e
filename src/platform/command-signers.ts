/**
 * Who may sign commands, by the file that device.json names: read again for each signature, so that a key that was taken out
 * is out at once. What a requester hears names neither file nor signers; the log does.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { Fault, reasonOf, systemCodeOf } from '../fault.ts';
import type { Clock, Log, SignatureFault, SignatureJudge, SignatureVerdict } from '../ports.ts';
import { type AllowedSigner, type AllowedSigners, fitsPatterns, parseAllowedSigners } from './allowed-signers.ts';
import { checkSshSignature } from './ssh-signature.ts';

/** What a signature is for, `ssh-keygen -Y sign -n`: one for a file or for git is none for a command. */
export const SIGNATURE_NAMESPACE = 'fieldpost-cmd';
/** Some seven hundred signers. */
const FILE_BYTES_MAX = 64 * 1024;
const WRITABLE_BY_ALL = 0o002;

export function commandSigners(path: string, clock: Pick<Clock, 'wallMs' | 'quality'>, log: Log): SignatureJudge {
  let told = '';
  const tell = (reasons: readonly string[]): void => {
    const text = reasons.join('; ');
    if (text !== '' && text !== told) log.error(`who may sign commands: ${path}`, { reason: text });
    told = text;
  };
  return {
    judge: (text, armour) => {
      const signature = checkSshSignature(text, armour);
      if (signature.kind === 'bad') return signature;
      // Asked only now: whether a key is in the file is for nobody to find out who does not hold it.
      let signers: readonly AllowedSigner[] = [];
      try {
        const file = readSigners(path);
        tell(file.mistakes);
        signers = file.signers;
      } catch (error) {
        tell([reasonOf(error)]);
        return bad('signature.signers', 'this device can not read who may sign: its log says why');
      }
      const { fingerprint } = signature.key;
      const own = signers.filter((signer) => signer.fingerprint === fingerprint);
      if (own.length === 0) return bad('signature.signer', 'this key may not sign on this device');
      const time = clock.quality() === 'unknown' ? undefined : clock.wallMs();
      const verdicts = own.map((signer) => judgeSigner(signer, signature.namespace, time));
      // Of several lines with one key the one that allows it counts.
      return verdicts.find(({ kind }) => kind === 'good') ?? verdicts[0] ?? bad('signature.signer', 'no such key');
    },
  };
}

/** Throws Fault `config.invalid` when there is no such file or it is not to be trusted. */
export function readSigners(path: string): AllowedSigners {
  try {
    return parseAllowedSigners(readBounded(path));
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw invalid(path, 'a readable file', systemCodeOf(error) ?? reasonOf(error), error);
  }
}

function judgeSigner(signer: AllowedSigner, namespace: string, nowMs: number | undefined): SignatureVerdict {
  if (namespace !== SIGNATURE_NAMESPACE || !fitsPatterns(signer.namespaces ?? ['*'], SIGNATURE_NAMESPACE)) {
    return bad('signature.namespace', `must be made, and be allowed, for the namespace ${SIGNATURE_NAMESPACE}`);
  }
  const { principals, fingerprint, validAfterMs, validBeforeMs } = signer;
  // A clock that was never set would lock everybody out, or nobody.
  if (nowMs !== undefined && nowMs < (validAfterMs ?? -Infinity)) {
    return bad('signature.not-yet-valid', 'this key may not sign on this device yet');
  }
  if (nowMs !== undefined && nowMs >= (validBeforeMs ?? Infinity)) {
    return bad('signature.expired', 'this key may no longer sign on this device');
  }
  return { kind: 'good', signer: { principal: principals, key: fingerprint } };
}

function readBounded(path: string): string {
  // A pipe would wait for its other end.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { mode, size } = fstatSync(descriptor);
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw invalid(path, 'a regular file', 'another kind of file');
    if ((mode & WRITABLE_BY_ALL) !== 0) {
      throw invalid(path, 'writable by its owner alone (chmod 644)', `mode ${(mode & 0o777).toString(8)}`);
    }
    if (size > FILE_BYTES_MAX) throw invalid(path, `at most ${FILE_BYTES_MAX} bytes`, `${size}`);
    const bytes = Buffer.alloc(FILE_BYTES_MAX);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(descriptor, bytes, length, bytes.length - length, null);
    }
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(descriptor);
  }
}

function invalid(path: string, expected: string, found: string, cause?: unknown): Fault {
  return new Fault('config.invalid', `allowed signers ${path}: must be ${expected}, got ${found}`, { cause });
}

function bad(code: SignatureFault, message: string): SignatureVerdict {
  return { kind: 'bad', code, message };
}
