/**
 * How long Modbus RTU takes on the wire: what a character lasts, and the silence that sets two frames apart (MODBUS over
 * Serial Line 1.02, 2.5.1.1). Pure. Milliseconds.
 */
import type { PortSpec } from '../ports-line.ts';

/** Behind a TCP serial server the rate is not known; most meters leave the factory with this one. */
const BAUD_RATE_ASSUMED = 9600;
/** Start bit, 8 data bits, parity or a second stop bit, stop bit: every RTU character has 11. */
const CHARACTER_BITS = 11;
const GAP_CHARACTERS = 3.5;
/** Above 19200 Bd the gap stays at this. */
const GAP_MS_MIN = 1.75;

export function characterMs(port: PortSpec): number {
  return (CHARACTER_BITS * 1000) / (port.kind === 'tty' ? port.baudRate : BAUD_RATE_ASSUMED);
}

export function gapMs(port: PortSpec): number {
  return Math.max(GAP_MS_MIN, GAP_CHARACTERS * characterMs(port));
}
