/**
 * Whether a ledger could be opened in a directory, tried beside the agent that runs and without touching its own: asked before
 * a working agent is ended for another one.
 */
import { accessSync, constants, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Fault, reasonOf } from '../fault.ts';
import { holdsLedger, ledgerFiles } from './ledger-files.ts';

/**
 * Throws Fault `ledger.disk` or `ledger.locked` for what would end the start. `running`: where the ledger of this process
 * lies. Another directory is made as the start would make it; that there is room is not looked at.
 */
export async function checkLedgerDirectory(directory: string, running: string): Promise<void> {
  const isOwn = resolve(directory) === resolve(running);
  // A start would begin another one in the place of what is there again once the disk is.
  if (isOwn && !holdsLedger(directory)) throw unusable(directory, 'the ledger that runs is not there now');
  if (!isOwn) {
    const files = ledgerFiles(directory);
    await files.lock();
    await files.unlock();
  }
  try {
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    const segments = readdirSync(directory).filter((name) => name.endsWith('.seg'));
    for (const name of segments) accessSync(join(directory, name), constants.R_OK | constants.W_OK);
  } catch (error) {
    throw unusable(directory, reasonOf(error), error);
  }
}

function unusable(directory: string, reason: string, cause?: unknown): Fault {
  return new Fault('ledger.disk', `ledger ${directory}: can not be used: ${reason}`, { cause });
}
