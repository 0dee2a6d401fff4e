/**
 * Which keys of device.json a remote change may ever reach, when the local file allows it. A list of what may, not of what
 * may not: a key that is new is local until somebody has thought about it. Not here, whatever `remote.allow` says: `remote`
 * itself, who may command, the device's identity, every file path, trust in the broker, the ledger's place and signature.
 */

/** Pointers; what is below one is meant too. */
export const REMOTE_KEYS: readonly string[] = [
  '/broker/urls',
  '/broker/protocol',
  '/broker/keepAlive',
  '/broker/sessionExpiry',
  '/broker/willDelay',
  '/broker/heartbeat',
  '/broker/window',
  '/broker/connectTimeout',
  '/broker/username',
  '/topics',
  '/ledger/maxBytes',
  '/ledger/retain',
  '/ledger/commitWindow',
  '/ledger/receipts',
  '/sensors',
  '/host',
  '/schedule',
  '/log',
];

/** What can cut the device off from who manages it: a change of these is on trial until it is confirmed over the new link. */
export const WIRE_KEYS: readonly string[] = ['/broker', '/topics'];

/** RFC 6901. */
export function pathOf(pointer: string): readonly string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Whether the place is one of the pointers, or below one. */
export function isCovered(path: readonly string[], pointers: readonly string[]): boolean {
  return pointers.some((pointer) => startsWith(path, pathOf(pointer)));
}

/** Whether a pointer is below the place: a change there would reach it. */
export function isAboveOne(path: readonly string[], pointers: readonly string[]): boolean {
  return pointers.some((pointer) => startsWith(pathOf(pointer), path));
}

function startsWith(path: readonly string[], start: readonly string[]): boolean {
  return start.length <= path.length && start.every((step, index) => step === path[index]);
}
