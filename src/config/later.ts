/**
 * What the design of device.json names and this version does not do yet. Such a key is refused with words of its own:
 * to take it and do nothing would be to pretend, and to call it unknown would send its owner looking for a typing error.
 */

export const LATER_EXPECTED = 'left out: known, but not in this version';

/** Pointers of keys; `*` stands for any index or name. */
const KEYS: readonly string[] = ['/remote'];

export function isLaterKey(path: readonly (string | number)[]): boolean {
  return KEYS.some((pointer) => {
    const steps = pointer.slice(1).split('/');
    return steps.length === path.length && steps.every((step, index) => step === '*' || step === path[index]);
  });
}
