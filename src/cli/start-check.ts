/**
 * What would end the start of an agent, looked for before a working one is ended for it: by `agent.restart`, a reload or a
 * change of the configuration. At the start of the process nothing is looked for: whoever supervises it tries again until the
 * disk is there, and nothing else is run in its place, since a second ledger would number sales a second time.
 */
import type { DeviceConfig } from '../config/schema.ts';
import { Fault, reasonOf } from '../fault.ts';
import { checkEventSigner } from '../platform/event-signer.ts';
import { checkLedgerDirectory } from '../platform/ledger-check.ts';
import { holdsLedger } from '../platform/ledger-files.ts';
import type { LinkCredentials } from '../platform/mqtt-link.ts';
import type { Log } from '../ports.ts';
import { asConnected, credentialsOf, stateDirectoryOf } from './credentials.ts';

/** Why no agent could be started on it; undefined: one could, as far as can be tried beside the one that runs on `running`. */
export async function startProblem(config: DeviceConfig, running: DeviceConfig, log: Log): Promise<string | undefined> {
  const { dir, sign } = config.ledger;
  try {
    await checkLedgerDirectory(dir, running.ledger.dir);
    if (sign !== false) checkEventSigner(stateDirectoryOf(config), sign);
    if (!holdsLedger(dir)) firstCredentials(asConnected(config), log, false);
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** Both have their files in the same places. */
export function hasSamePlaces(config: DeviceConfig, running: DeviceConfig): boolean {
  return config.ledger.dir === running.ledger.dir && stateDirectoryOf(config) === stateDirectoryOf(running);
}

/**
 * Files that are wrong end the first start, for whoever stands beside the device. On a device that has worked they keep it
 * from the broker alone, until they are mended: events are to be accepted, and nobody is there (a power cut in the middle of
 * a renewal leaves the key of one pair and the certificate of another). So does what systemd has not handed over, always.
 */
export function firstCredentials(config: DeviceConfig, log: Log, isAtWork: boolean): LinkCredentials | undefined {
  try {
    return credentialsOf(config);
  } catch (error) {
    if (!(error instanceof Fault) || !(isAtWork || error.code === 'credential.missing')) throw error;
    log.error(error.message, { until: 'mended: no connection' });
    return undefined;
  }
}
