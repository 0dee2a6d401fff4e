/** `certificate.status`: what the certificates on the device say, and for how long they still hold. Never the key. */
import * as v from 'valibot';
import type { CertificateText, Clock } from '../ports.ts';
import { clockQuality, count, listOf, text, time } from './answers.ts';
import { type Command, defineCommand } from './command.ts';

const DAY_MS = 86_400_000;
/** A bundle of public authorities has 150; the device's own ones come first. */
const CERTIFICATES_MAX = 32;

/** `certificates`: of the files as they are now; throws when one can not be read. */
export function certificateStatusCommand(clock: Clock, certificates: () => readonly CertificateText[]): Command {
  return defineCommand({
    name: 'certificate.status',
    changes: false,
    summary: "Answers with what the device's certificate and the authorities it trusts say.",
    args: v.strictObject({}),
    result: v.strictObject({
      certificates: listOf(
        `Of the files as they are now, at most ${CERTIFICATES_MAX}; the device's own first.`,
        v.strictObject({
          role: v.pipe(v.picklist(['device', 'chain', 'authority']), v.description('Whose it is.')),
          subject: text('Subject.'),
          issuer: text('Issuer.'),
          not_before: time('Begin of its validity.'),
          not_after: time('End of its validity.'),
          days: v.exactOptional(
            count('Whole days left; negative once it has ended. Left out while `clock` is `unknown`.'),
          ),
          sha256: text('Fingerprint, as openssl prints it.'),
        }),
      ),
      more: count('How many were left out.'),
      clock: clockQuality,
    }),
    run: () => {
      const found = certificates();
      const nowMs = clock.quality() === 'unknown' ? undefined : clock.wallMs();
      return {
        certificates: found.slice(0, CERTIFICATES_MAX).map((certificate) => documentOf(certificate, nowMs)),
        more: Math.max(0, found.length - CERTIFICATES_MAX),
        clock: clock.quality(),
      };
    },
  });
}

/** `days` is negative once it has ended. `nowMs`: undefined where the clock says nothing. */
function documentOf(certificate: CertificateText, nowMs: number | undefined): Readonly<Record<string, unknown>> {
  const { role, subject, issuer, notBefore, notAfter, fingerprint } = certificate;
  const days = nowMs === undefined ? {} : { days: Math.floor((Date.parse(notAfter) - nowMs) / DAY_MS) };
  return { role, subject, issuer, not_before: notBefore, not_after: notAfter, ...days, sha256: fingerprint };
}
