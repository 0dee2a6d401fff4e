/** Faults planted into the built agent, each of which the fuzz run must find: one that finds none of them proves nothing. */
import type { Plant } from './stage.ts';

export interface FuzzControl {
  readonly name: string;
  readonly plant: Plant;
  readonly only: { readonly mutation: string; readonly kind: string };
  readonly cases: number;
  /** What the run must end with. */
  readonly shows: RegExp;
}

/** Where PUBREC and PUBCOMP are decoded, in the built file's words. */
const DECODED = 'let identifier = bytes.readUInt16BE(packet.bodyAt);';
/** Larger than any that the agent has used by then, so that no sound packet has it. */
const ODD = 'identifier > 1000';

export const CONTROLS: readonly FuzzControl[] = [
  {
    name: 'an exception at an unknown packet identifier',
    plant: { find: DECODED, put: `${DECODED} if (${ODD}) throw new Error("planted");` },
    only: { mutation: 'other identifier', kind: 'pubrec' },
    cases: 80,
    shows: /ended by itself/,
  },
  {
    name: 'a loop without end at an unknown packet identifier',
    plant: { find: DECODED, put: `${DECODED} while (${ODD});` },
    only: { mutation: 'other identifier', kind: 'pubrec' },
    cases: 80,
    shows: /hangs/,
  },
  {
    name: 'a rejection that nobody handles, at an unknown packet identifier',
    plant: { find: DECODED, put: `${DECODED} if (${ODD}) Promise.reject(new Error("planted"));` },
    only: { mutation: 'other identifier', kind: 'pubrec' },
    cases: 80,
    shows: /ended by itself/,
  },
];
