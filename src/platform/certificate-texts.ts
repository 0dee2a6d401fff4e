/** What the certificates say that are on disk now: those that the next connection will be tried with. Never the key. */
import { X509Certificate } from 'node:crypto';
import type { CertificateText } from '../ports.ts';
import { CERTIFICATE_BLOCK, type IdentityFiles, loadIdentity } from './identity.ts';

/** Throws as `loadIdentity` does. */
export function certificateTexts(files: IdentityFiles): readonly CertificateText[] {
  const { ca, cert } = loadIdentity(files);
  const own = (cert === undefined ? [] : certificatesOf(cert)).map((certificate, at) =>
    textOf(certificate, at === 0 ? 'device' : 'chain'),
  );
  return [
    ...own,
    ...(ca === undefined ? [] : certificatesOf(ca)).map((certificate) => textOf(certificate, 'authority')),
  ];
}

function certificatesOf(pem: Buffer): readonly X509Certificate[] {
  return (pem.toString('latin1').match(CERTIFICATE_BLOCK) ?? []).map((block) => new X509Certificate(block));
}

function textOf(certificate: X509Certificate, role: CertificateText['role']): CertificateText {
  return {
    role,
    subject: nameText(certificate.subject),
    issuer: nameText(certificate.issuer),
    notBefore: new Date(certificate.validFrom).toISOString(),
    notAfter: new Date(certificate.validTo).toISOString(),
    fingerprint: certificate.fingerprint256,
  };
}

/** Node writes one attribute a line. A name may be empty, and then Node gives none. */
function nameText(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ');
}
