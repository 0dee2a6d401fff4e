/** Opens a line by its kind: a tty, or a raw TCP serial server. */
import type { Clock } from '../ports.ts';
import type { LineOpener } from '../ports-line.ts';
import { whenDeviceAppears } from './path-watch.ts';
import { openTty } from './serial.ts';
import { openTcpLine } from './tcp-line.ts';

export function lineOpener(clock: Clock): LineOpener {
  return {
    open: (spec, listener) =>
      spec.kind === 'tty' ? openTty(spec, listener, clock) : openTcpLine(spec, listener, clock),
    appears: (spec, run) => (spec.kind === 'tty' ? whenDeviceAppears(spec.path, run) : undefined),
  };
}
