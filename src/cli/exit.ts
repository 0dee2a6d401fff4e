/** Exit statuses of every sub-command, after sysexits.h: what a unit file, a script or a person may rely on. */
import { Fault, type FaultCode } from '../fault.ts';

export const EXIT = {
  done: 0,
  failed: 1,
  /** The command line itself is wrong. */
  usage: 64,
  brokerUnavailable: 69,
  disk: 74,
  /** A key file may be read by others than the service and its own group. */
  keyExposed: 77,
  /** The configuration is wrong: starting again would not help, and the unit does not. */
  config: 78,
} as const;

/** The status that tells a caller what kind of error ended the command. */
export function exitOf(error: unknown): number {
  return error instanceof Fault ? exitOfFault(error.code) : EXIT.failed;
}

function exitOfFault(code: FaultCode): number {
  if (code === 'usage') return EXIT.usage;
  if (code === 'key.exposed') return EXIT.keyExposed;
  if (code === 'config.invalid') return EXIT.config;
  if (code.startsWith('broker.')) return EXIT.brokerUnavailable;
  return code.startsWith('ledger.') || code === 'state.disk' ? EXIT.disk : EXIT.failed;
}
