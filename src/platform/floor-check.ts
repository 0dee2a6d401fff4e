/**
 * OpenSSL judges certificates by the wall clock, which may stand months behind: before network time on a machine without
 * a battery. A broker's certificate that had ended before a time that this device has already lived is refused all the
 * same. The check comes after OpenSSL's and only ever refuses more. It looks at the broker's own certificate alone: of
 * those above it a broker may send some that no chain needs, long expired ones too.
 */
import { checkServerIdentity } from 'node:tls';

/** Code of the error. */
export const ENDED_BEFORE_FLOOR = 'FIELDPOST_ENDED_BEFORE_FLOOR';

/** For `tls.connect`: Node's check of the name, then ours of the end. */
export function checkIdentityAt(floorMs: number): typeof checkServerIdentity {
  return (name, certificate) => {
    const wrong = checkServerIdentity(name, certificate);
    if (wrong !== undefined || !(Date.parse(certificate.valid_to) < floorMs)) return wrong;
    const error = new Error(`it ended ${certificate.valid_to}, and it is ${new Date(floorMs).toISOString()} at least`);
    return Object.assign(error, { code: ENDED_BEFORE_FLOOR });
  };
}
