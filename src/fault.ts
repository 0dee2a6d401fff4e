/**
 * A fault is what the world can do to the agent (disk full, link lost, bad configuration), with a stable code that
 * tests and callers check; wording is for people. What only a bug can do breaks an `invariant`; that is no fault.
 */
export type FaultCode =
  | 'ledger.full' // the bound `ledger.maxBytes` is reached and nothing settled is left to drop
  | 'ledger.disk' // a write or sync failed (ENOSPC, EIO, EROFS ...); the cause holds the system's error
  | 'ledger.fragmented' // too many events of this stream stay behind others that leave
  | 'ledger.locked' // another process owns this directory
  | 'ledger.busy' // more drafts wait for the disk than the bound allows
  | 'ledger.closed'
  | 'event.invalid' // the draft breaks a bound (size, names)
  | 'line.closed' // a write was meant for a connection that is gone
  | 'line.silent' // the device did not answer in its time
  | 'line.open' // the port could not be opened
  | 'broker.unreachable'
  | 'broker.refused'
  | 'broker.forbidden' // an access rule of the broker refuses this topic (0x87)
  | 'state.disk' // a small state document could not be written
  | 'config.invalid'
  | 'credential.missing' // systemd has not handed it to this process
  | 'certificate.invalid' // a certificate that came by command can not be this device's
  | 'key.exposed' // a private key is readable by others
  | 'usage';

export class Fault extends Error {
  readonly code: FaultCode;

  constructor(code: FaultCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'Fault';
    this.code = code;
  }
}

/** The text of anything thrown, for a log line. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The system's error code (`ENOSPC`, `EIO` ...) of anything thrown, or of its cause; undefined when it has none. */
export function systemCodeOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const code: unknown = 'code' in thrown ? thrown.code : undefined;
  if (typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)) return code;
  return systemCodeOf(thrown.cause);
}

/** For what only a bug can break. In place of `node:assert`, which loads a terminal's colours and more: 10 ms of a start. */
export function invariant(holds: boolean, text: string): asserts holds {
  if (!holds) throw new Error(`bug: ${text}`);
}
