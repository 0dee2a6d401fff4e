/**
 * What a line has to get on with, for the watchdog. Pure. A lost line has to try again: each try is a new generation. An
 * opening that does not end is the system's (a driver that hangs), and a restart may not free it: it counts only while no
 * other line is up, because then a restart interrupts no reading. Silence of an open line is the sensor's own state.
 */
import type { Work } from '../ports.ts';
import type { LineState } from './line-machine.ts';

export function lineWorks(lines: readonly { readonly sensor: string; readonly state: LineState }[]): readonly Work[] {
  const anyUp = lines.some(({ state }) => state.kind === 'up');
  return lines.map(({ sensor, state }) => ({ name: `the line of ${sensor}`, mark: markOf(state, anyUp) }));
}

function markOf(state: LineState, anyUp: boolean): string | undefined {
  if (state.kind === 'lost' || (state.kind === 'opening' && !anyUp)) return `${state.kind} ${state.generation}`;
  return undefined;
}
