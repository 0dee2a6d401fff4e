/**
 * A certificate signing request (PKCS#10, RFC 2986) for a P-256 key, written by hand: version, subject, public key, the
 * device's URI as alternative name, signed with ECDSA and SHA-256. The two libraries that could do it take 11 to 19 MiB of
 * memory for these 60 lines.
 *
 *   CertificationRequest ::= SEQUENCE { info, algorithm, BIT STRING }
 *   info ::= SEQUENCE { 0, Name, SubjectPublicKeyInfo, [0] { extensionRequest { subjectAltName } } }
 */
import { createPublicKey, type KeyObject, sign } from 'node:crypto';

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const SEQUENCE = 0x30;
const SET = 0x31;
/** `[0] IMPLICIT`, constructed: the attributes. */
const ATTRIBUTES = 0xa0;
/** `[6] IMPLICIT IA5String`: a URI among the alternative names (RFC 5280, 4.2.1.6). */
const URI = 0x86;

const COMMON_NAME = oid('550403'); // 2.5.4.3
const EXTENSION_REQUEST = oid('2a864886f70d01090e'); // 1.2.840.113549.1.9.14
const SUBJECT_ALT_NAME = oid('551d11'); // 2.5.29.17
const ECDSA_WITH_SHA256 = oid('2a8648ce3d040302'); // 1.2.840.10045.4.3.2

/** PEM. `privateKey` is a P-256 key; `commonName` is at most 64 characters. */
export function certificateRequest(privateKey: KeyObject, commonName: string): string {
  const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from(commonName, 'utf8')))));
  const names = der(
    SEQUENCE,
    der(URI, Buffer.from(`urn:fieldpost:device:${encodeURIComponent(commonName)}`, 'latin1')),
  );
  const extension = der(SEQUENCE, SUBJECT_ALT_NAME, der(OCTET_STRING, names));
  const attribute = der(SEQUENCE, EXTENSION_REQUEST, der(SET, der(SEQUENCE, extension)));
  const info = der(SEQUENCE, der(INTEGER, Buffer.of(0)), name, publicKey, der(ATTRIBUTES, attribute));
  const signature = sign('sha256', info, { key: privateKey, dsaEncoding: 'der' });
  const request = der(
    SEQUENCE,
    info,
    der(SEQUENCE, ECDSA_WITH_SHA256),
    // No bit of the last byte is unused.
    der(BIT_STRING, Buffer.of(0), signature),
  );
  const lines = request.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE REQUEST-----', ...lines, '-----END CERTIFICATE REQUEST-----', ''].join('\n');
}

function oid(hex: string): Buffer {
  return der(OBJECT_IDENTIFIER, Buffer.from(hex, 'hex'));
}

/** Tag, definite length, content (X.690, 8.1). */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag), lengthOf(content.length), content]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  return length < 0x100 ? Buffer.of(0x81, length) : Buffer.of(0x82, length >> 8, length & 0xff);
}
