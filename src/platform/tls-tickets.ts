/**
 * TLS session tickets, one a broker, so that a reconnect costs one round trip and a third of the bytes. A resumed session
 * is as its first handshake was: the broker's certificate is not judged again, and ours is not shown again. So a ticket is
 * used only with the very files it was got with, and a full handshake is made at least once a day.
 */
import { createHash } from 'node:crypto';
import type { LinkCredentials } from './mqtt-link.ts';

/** The longest that a broker's expired or revoked certificate may go unnoticed, milliseconds. */
const FULL_HANDSHAKE_MS = 24 * 3_600_000;

interface Ticket {
  readonly bytes: Buffer;
  readonly files: string;
  /** When the last full handshake was, on the monotonic clock. */
  readonly fullMs: number;
}

export class TlsTickets {
  readonly #tickets = new Map<string, Ticket>();

  take(url: string, credentials: LinkCredentials): Buffer | undefined {
    // A handshake with a shared key costs no more than a resumed one, and proves the key anew.
    if (credentials.psk !== undefined) return undefined;
    const ticket = this.#tickets.get(url);
    if (ticket === undefined) return undefined;
    const sound = ticket.files === digestOf(credentials) && performance.now() - ticket.fullMs < FULL_HANDSHAKE_MS;
    if (sound) return ticket.bytes;
    this.#tickets.delete(url);
    return undefined;
  }

  keep(url: string, credentials: LinkCredentials, bytes: Buffer, resumed: boolean): void {
    const fullMs = resumed ? this.#tickets.get(url)?.fullMs : performance.now();
    if (fullMs !== undefined) this.#tickets.set(url, { bytes, files: digestOf(credentials), fullMs });
  }

  /** An answered attempt brought no link: a ticket that the broker chokes on must not keep a device out. */
  drop(url: string): void {
    this.#tickets.delete(url);
  }
}

function digestOf({ ca, cert, crl }: LinkCredentials): string {
  const hash = createHash('sha256');
  for (const file of [ca, cert, crl]) hash.update(`${file?.length ?? -1} `).update(file ?? '');
  return hash.digest('base64');
}
