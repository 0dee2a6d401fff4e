/**
 * The device's identity on disk: the authorities it trusts, its certificate and its private key. Loading judges what can
 * be judged before a connection is tried (missing, not PEM, key and certificate of different pairs) and refuses a key that
 * others than the service could have read. Whether the certificate is still valid is only reported: the clock of a
 * device that has just started may be years off.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { reasonOf } from '../fault.ts';
import { invalid, readBounded, readPrivateFile } from './private-files.ts';

/** Paths of PEM files; `crl` is the revocation list of the broker's authority. With `psk` there are no others. */
export interface IdentityFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly crl?: string;
  readonly psk?: { readonly keyFile: string };
}

export interface Identity {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly crl?: Buffer;
  readonly sharedKey?: Buffer;
  readonly certificate?: CertificateFacts;
}

/** Of the device's own certificate. Times are ISO 8601. */
export interface CertificateFacts {
  readonly notBefore: string;
  readonly notAfter: string;
  /** Empty when the subject has none. */
  readonly commonName: string;
}

/** 128 bit at least, so that nobody guesses it; what OpenSSL and Mosquitto take at most. */
const SHARED_KEY_BYTES = { low: 16, high: 256 };
export const CERTIFICATE_BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
const REVOCATIONS_BLOCK = /-----BEGIN X509 CRL-----[A-Za-z0-9+/=\s]+-----END X509 CRL-----/g;
/** Keys that stay in the file. Others (`TSS2 PRIVATE KEY`) are handles of hardware and are not to be inspected. */
const PLAIN_KEY = /-----BEGIN (?:EC |RSA )?PRIVATE KEY-----/;

/**
 * Throws Fault `key.exposed` when others may read the key; `config.invalid`, naming the file and the reason, when a file
 * is missing, is not what it should be, or key and certificate do not belong together; `credential.missing` where systemd
 * was to hand one over.
 */
export function loadIdentity(files: IdentityFiles): Identity {
  if (files.psk !== undefined) return { sharedKey: readSharedKey(files.psk.keyFile) };
  if (files.ca === undefined) return {};
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

/** A key in hexadecimal digits, as mosquitto's psk_file and openssl's -psk have it. */
function readSharedKey(path: string): Buffer {
  const what = 'pre-shared key';
  const digits = readPrivateFile(path, what).toString('latin1').trim();
  const [low, high] = [2 * SHARED_KEY_BYTES.low, 2 * SHARED_KEY_BYTES.high];
  const expected = `${low} to ${high} hexadecimal digits`;
  if (!/^[0-9A-Fa-f]*$/.test(digits)) throw invalid(path, what, expected, 'other characters');
  if (digits.length % 2 !== 0 || digits.length < low || digits.length > high) {
    throw invalid(path, what, expected, `${digits.length} of them`);
  }
  return Buffer.from(digits, 'hex');
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
