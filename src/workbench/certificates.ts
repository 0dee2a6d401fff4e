/**
 * Makes the certificates of a bench: an authority of its own, a server's and clients' certificates, all P-256, all as PEM
 * text. For development, the demo and tests only: the authority's key lives as long as the object that issues, unless it
 * is asked for. Not in the service's bundle; `fieldpost certs` loads it when asked.
 */
// tsyringe, under @peculiar/x509, stops without it.
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
} from '@peculiar/x509';

export interface CertifiedPair {
  /** PEM. */
  readonly cert: string;
  /** PEM, PKCS#8, not encrypted. */
  readonly key: string;
}

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface CertificateAuthority {
  /** PEM. */
  readonly ca: string;
  /** Its own key, for whoever is to issue more later. PEM, PKCS#8, not encrypted. */
  key(): Promise<string>;
  /** `names`: DNS names and IP addresses that the server answers to. The first is the common name too. */
  issueServer(names: readonly string[], validity?: Validity): Promise<CertifiedPair>;
  issueClient(commonName: string, validity?: Validity): Promise<CertifiedPair>;
  /** For a request (PKCS#10, PEM): checks its signature, takes its subject and key. */
  issueFor(request: string, validity?: Validity): Promise<string>;
  /** The revocation list, in PEM, that names these certificates (PEM). */
  revoke(certificates: readonly string[], validity?: Validity): Promise<string>;
}

export interface DevelopmentCertificatesOptions {
  /** Common name of the client certificate: the device's id. */
  readonly device: string;
  /** Default: localhost, 127.0.0.1 and ::1. */
  readonly server?: readonly string[];
  /** Common names that get client certificates too, such as consumers and operators. */
  readonly others?: readonly string[];
  /** Days until all of them expire. Default 365. */
  readonly days?: number;
}

export interface DevelopmentCertificates {
  readonly authority: CertificateAuthority;
  readonly ca: string;
  readonly server: CertifiedPair;
  readonly client: CertifiedPair;
  /** In the order of `others`. */
  readonly others: readonly CertifiedPair[];
}

export const LOOPBACK_NAMES: readonly string[] = ['localhost', '127.0.0.1', '::1'];

const DAY_MS = 86_400_000;
const DAYS_DEFAULT = 365;
/** A clock that is a little behind ours must not find them not yet valid. */
const BACKDATED_MS = 5 * 60_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export async function makeDevelopmentCertificates(
  options: DevelopmentCertificatesOptions,
): Promise<DevelopmentCertificates> {
  const validity = validFor(options.days ?? DAYS_DEFAULT);
  const authority = await makeAuthority('fieldpost development CA', validity);
  const [server, client, ...others] = await Promise.all([
    authority.issueServer(options.server ?? LOOPBACK_NAMES, validity),
    authority.issueClient(options.device, validity),
    ...(options.others ?? []).map((name) => authority.issueClient(name, validity)),
  ]);
  return { authority, ca: authority.ca, server, client, others };
}

/** From a little before now to `days` after it. */
export function validFor(days: number): Validity {
  const nowMs = Date.now();
  return { notBefore: new Date(nowMs - BACKDATED_MS), notAfter: new Date(nowMs + days * DAY_MS) };
}

export async function makeAuthority(
  name: string,
  validity: Validity = validFor(DAYS_DEFAULT),
): Promise<CertificateAuthority> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: commonName(name),
    keys,
    signingAlgorithm: ALGORITHM,
    serialNumber: newSerial(),
    ...validity,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const issuer = { certificate, key: keys.privateKey };
  return {
    ca: pemOf(certificate),
    key: () => pemOfKey(keys.privateKey),
    issueServer: (names, valid) =>
      issue(issuer, names[0] ?? 'localhost', ExtendedKeyUsage.serverAuth, valid ?? validity, [alternativeNames(names)]),
    issueClient: (client, valid) => issue(issuer, client, ExtendedKeyUsage.clientAuth, valid ?? validity, []),
    issueFor: (request, valid) => issueFor(issuer, request, valid ?? validity),
    revoke: (certificates, valid) => revoke(issuer, certificates, valid ?? validity),
  };
}

interface Issuer {
  readonly certificate: X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

async function issue(
  issuer: Issuer,
  name: string,
  usage: ExtendedKeyUsage,
  validity: Validity,
  extensions: readonly Extension[],
): Promise<CertifiedPair> {
  const keys = await newKeys();
  const certificate = await certify(
    issuer,
    { subject: commonName(name), key: keys.publicKey },
    usage,
    validity,
    extensions,
  );
  return { cert: pemOf(certificate), key: await pemOfKey(keys.privateKey) };
}

async function issueFor(issuer: Issuer, pem: string, validity: Validity): Promise<string> {
  const request = new Pkcs10CertificateRequest(pem);
  if (!(await request.verify())) throw new Error('the request is not signed by its own key');
  const key: webcrypto.CryptoKey = (await request.publicKey.export()) as webcrypto.CryptoKey;
  return pemOf(await certify(issuer, { subject: request.subject, key }, ExtendedKeyUsage.clientAuth, validity, []));
}

interface Certified {
  readonly subject: string | { readonly CN: string[] }[];
  readonly key: webcrypto.CryptoKey;
}

async function certify(
  issuer: Issuer,
  { subject, key }: Certified,
  usage: ExtendedKeyUsage,
  validity: Validity,
  extensions: readonly Extension[],
): Promise<X509Certificate> {
  return X509CertificateGenerator.create({
    subject,
    issuer: issuer.certificate.subject,
    publicKey: key,
    signingKey: issuer.key,
    signingAlgorithm: ALGORITHM,
    serialNumber: newSerial(),
    ...validity,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([usage]),
      await AuthorityKeyIdentifierExtension.create(issuer.certificate),
      await SubjectKeyIdentifierExtension.create(key),
      ...extensions,
    ],
  });
}

async function revoke(issuer: Issuer, certificates: readonly string[], validity: Validity): Promise<string> {
  const list = await X509CrlGenerator.create({
    issuer: issuer.certificate.subject,
    signingKey: issuer.key,
    signingAlgorithm: ALGORITHM,
    thisUpdate: validity.notBefore,
    nextUpdate: validity.notAfter,
    entries: certificates.map((pem) => ({ serialNumber: new X509Certificate(pem).serialNumber })),
    extensions: [await AuthorityKeyIdentifierExtension.create(issuer.certificate)],
  });
  // The library calls the block CRL; OpenSSL looks for X509 CRL.
  return pemBlock('X509 CRL', Buffer.from(list.rawData));
}

function alternativeNames(names: readonly string[]): SubjectAlternativeNameExtension {
  return new SubjectAlternativeNameExtension(
    names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
  );
}

/** As an object: in a text, characters of the name could be read as syntax. */
function commonName(name: string): { readonly CN: string[] }[] {
  return [{ CN: [name] }];
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

/** RFC 5280, 4.1.2.2: positive, at most 20 octets. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

async function pemOfKey(key: webcrypto.CryptoKey): Promise<string> {
  return pemBlock('PRIVATE KEY', Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)));
}

function pemBlock(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
