/**
 * The device's identity on disk: the authorities it trusts, its certificate and its private key. Loading judges what can
 * be judged before a connection is tried (missing, not PEM, key and certificate of different pairs) and refuses a key that
 * others than the service could have read. Whether the certificate is still valid is only reported: the clock of a
 * device that has just started may be years off.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { Fault, reasonOf, systemCodeOf } from '../fault.ts';

/** Paths of PEM files; `crl` is the revocation list of the broker's authority. */
export interface IdentityFiles {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly crl?: string;
}

export interface Identity {
  readonly ca: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly crl?: Buffer;
  readonly certificate?: CertificateFacts;
}

/** Of the device's own certificate. Times are ISO 8601. */
export interface CertificateFacts {
  readonly notBefore: string;
  readonly notAfter: string;
  /** Empty when the subject has none. */
  readonly commonName: string;
}

/** The largest bundle of public authorities is about 250 KiB. */
const FILE_BYTES_MAX = 1024 * 1024;
export const CERTIFICATE_BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
const REVOCATIONS_BLOCK = /-----BEGIN X509 CRL-----[A-Za-z0-9+/=\s]+-----END X509 CRL-----/g;
/** Keys that stay in the file. Others (`TSS2 PRIVATE KEY`) are handles of hardware and are not to be inspected. */
const PLAIN_KEY = /-----BEGIN (?:EC |RSA )?PRIVATE KEY-----/;

/**
 * Throws Fault `key.exposed` when others may read the key; `config.invalid`, naming the file and the reason, when a file
 * is missing, is not what it should be, or key and certificate do not belong together.
 */
export function loadIdentity(files: IdentityFiles): Identity {
  const ca = readBounded(files.ca, 'CA certificates');
  parseCertificates(ca, files.ca);
  const authorities = { ca, ...(files.crl === undefined ? {} : { crl: readRevocations(files.crl) }) };
  if (files.cert === undefined || files.key === undefined) return authorities;
  const cert = readBounded(files.cert, 'certificate');
  const own = parseCertificates(cert, files.cert);
  const key = readPrivateFile(files.key, 'private key');
  checkKey(key, files.key, own, files.cert);
  return { ...authorities, cert, key, certificate: factsOf(own) };
}

/** One text a list: of several in one text Node reads the first only. */
export function revocationLists(pem: Buffer): readonly string[] {
  return pem.toString('latin1').match(REVOCATIONS_BLOCK) ?? [];
}

/** Whether a list is signed and in time shows when a connection is made; here only that it is one. */
function readRevocations(path: string): Buffer {
  const crl = readBounded(path, 'revocation list');
  const lists = revocationLists(crl);
  const expected = 'revocation lists in PEM (-----BEGIN X509 CRL-----)';
  if (lists.length === 0) throw invalid(path, 'revocation list', expected, 'none');
  try {
    createSecureContext({ crl: [...lists] });
  } catch (error) {
    throw invalid(path, 'revocation list', expected, `one that does not parse (${reasonOf(error)})`, error);
  }
  return crl;
}

/** A file that only the service and its own group may read. Throws as `loadIdentity` does. */
export function readPrivateFile(path: string, what: string): Buffer {
  return readBounded(path, what, (mode, group) => {
    const exposed = exposure(mode, group);
    if (exposed === undefined) return;
    const octal = (mode & 0o777).toString(8).padStart(4, '0');
    throw new Fault(
      'key.exposed',
      `${what} ${path}: must be readable by the service and its own group only (0600, or 0640 with that group), got mode ${octal}: ${exposed}`,
    );
  });
}

/** Who may read or change a file besides its owner and our own groups; undefined: nobody. */
function exposure(mode: number, group: number): string | undefined {
  if ((mode & 0o007) !== 0) return 'open to everybody on this machine';
  const own = [process.getgid?.(), process.getegid?.(), ...(process.getgroups?.() ?? [])];
  if ((mode & 0o070) === 0 || own.includes(group)) return undefined;
  return `open to group ${group}, which this process is not in (run it as the service's user)`;
}

/** `inspect` sees the opened file, so that what it judges is what is read. */
function readBounded(path: string, what: string, inspect?: (mode: number, group: number) => void): Buffer {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw unreadable(path, what, error);
  }
  try {
    const { mode, gid, size } = fstatSync(file);
    inspect?.(mode, gid);
    if (size > FILE_BYTES_MAX) throw invalid(path, what, `at most ${FILE_BYTES_MAX} bytes`, `${size}`);
    return readFileSync(file);
  } catch (error) {
    throw error instanceof Fault ? error : unreadable(path, what, error);
  } finally {
    closeSync(file);
  }
}

/** The first certificate; throws when any of them does not parse. */
function parseCertificates(pem: Buffer, path: string): X509Certificate {
  const blocks = pem.toString('latin1').match(CERTIFICATE_BLOCK) ?? [];
  try {
    const [first] = blocks.map((block) => new X509Certificate(block));
    if (first !== undefined) return first;
  } catch (error) {
    throw invalid(path, 'certificate', 'certificates in PEM', `one that does not parse (${reasonOf(error)})`, error);
  }
  throw invalid(path, 'certificate', 'certificates in PEM (-----BEGIN CERTIFICATE-----)', 'none');
}

function checkKey(pem: Buffer, path: string, certificate: X509Certificate, certificatePath: string): void {
  const text = pem.toString('latin1');
  if (text.includes('ENCRYPTED')) {
    throw invalid(path, 'private key', 'a key without a passphrase', 'an encrypted one');
  }
  if (!PLAIN_KEY.test(text)) {
    if (text.includes('PRIVATE KEY-----')) return;
    throw invalid(path, 'private key', 'a private key in PEM (-----BEGIN PRIVATE KEY-----)', 'none');
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw invalid(path, 'private key', 'a private key in PEM', `one that does not parse (${reasonOf(error)})`, error);
  }
  if (certificate.checkPrivateKey(key)) return;
  throw invalid(path, 'private key', `the key of the certificate in ${certificatePath}`, 'the key of another one');
}

function factsOf(certificate: X509Certificate): CertificateFacts {
  const name: unknown = certificate.toLegacyObject().subject.CN;
  return {
    notBefore: new Date(certificate.validFrom).toISOString(),
    notAfter: new Date(certificate.validTo).toISOString(),
    commonName: typeof name === 'string' ? name : '',
  };
}

function unreadable(path: string, what: string, error: unknown): Fault {
  const code = systemCodeOf(error);
  const reason = code === 'ENOENT' ? 'missing' : (code ?? reasonOf(error));
  return invalid(path, what, 'a readable file', reason, error);
}

function invalid(path: string, what: string, expected: string, found: string, cause?: unknown): Fault {
  return new Fault('config.invalid', `${what} ${path}: must be ${expected}, got ${found}`, { cause });
}
