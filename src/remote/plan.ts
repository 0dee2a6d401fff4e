/** What a change would do: the whole judgement, before anything is done. Pure. */
import { CONFIG_BYTES_MAX } from '../config/parse.ts';
import { pointerOf, problemText } from '../config/problem.ts';
import { isCovered, WIRE_KEYS } from '../config/remote-keys.ts';
import { type BaseFile, type Effective, judgeValue, mayChange } from './judge.ts';
import { STRUCK } from '../redacted.ts';
import { diffPatch, isTable, leavesOf, type Table, valueAt } from './merge-patch.ts';

/** More help nobody. */
const TOLD_MAX = 10;

export type Plan =
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | {
      readonly kind: 'fit';
      /** Against device.json. */
      readonly patch: Table;
      readonly effective: Effective;
      /** Pointers of what would be other than it is. */
      readonly changed: readonly string[];
      /** It can cut the wire. */
      readonly wire: boolean;
    };

/** `running`: what the device runs now; `target`: what it is to run. */
export function planOf(base: BaseFile, running: Table, target: unknown): Plan {
  if (!isTable(target)) return refused('config.invalid', 'the patch must be an object of keys of device.json');
  const patch = diffPatch(base.value, target);
  const struck = leavesOf(patch).find((leaf) => JSON.stringify(valueAt(patch, leaf))?.includes(STRUCK) === true);
  if (struck !== undefined) {
    const place = pointerOf(struck);
    return refused(
      'config.invalid',
      `${place}: must be a value of its own, got ${STRUCK}, which config.get writes for secrets`,
    );
  }
  const barred = leavesOf(patch).filter((leaf) => !mayChange(leaf, base.config));
  if (barred.length > 0) {
    const places = barred.slice(0, TOLD_MAX).map(pointerOf).join(', ');
    return refused('config.not-allowed', `${places}: device.json /remote/allow does not let commands change this`);
  }
  const bytes = Buffer.byteLength(JSON.stringify(target), 'utf8');
  if (bytes > CONFIG_BYTES_MAX) {
    return refused('config.invalid', `it would have ${bytes} bytes, at most ${CONFIG_BYTES_MAX}`);
  }
  const judged = judgeValue(base, target);
  if (judged.kind === 'invalid') {
    const texts = judged.problems.slice(0, TOLD_MAX).map((problem) => problemText('config', problem));
    const more = judged.problems.length - texts.length;
    return refused('config.invalid', `${texts.join('\n')}${more > 0 ? `\nand ${more} more` : ''}`);
  }
  const changed = leavesOf(diffPatch(running, target));
  return {
    kind: 'fit',
    patch,
    effective: judged.effective,
    changed: changed.map(pointerOf),
    wire: changed.some((leaf) => isCovered(leaf, WIRE_KEYS)),
  };
}

export function refused(code: string, message: string): Extract<Plan, { kind: 'refused' }> {
  return { kind: 'refused', code, message };
}
