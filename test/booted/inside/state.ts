/** Where things lie in the booted tree, and what the checks write down; for both sides of its wall. Paths from the tree's root. */

/** Programs of the tree's own. */
export const PLACE = '/usr/lib/booted';
export const STATE_FILE = '/var/lib/booted/state.json';
export const ANSWERED_FILE = '/var/lib/booted/answered';
export const COLLECTED = '/var/lib/booted/collected';
/** Not there: fieldpost is already in the tree, as files. */
export const PACKAGES = { older: '/var/lib/packages/older.deb', newer: '/var/lib/packages/newer.deb' };
export const PUMP_PORT = 7001;
/** The pump's name for its own life: the source epoch of its sales. */
export const PUMP_BOOT = 'b1';

export interface Result {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}
