/**
 * The line between pump and agent: a real tty (the pump holds the other end of a pseudo-terminal), or a raw TCP serial
 * server where no pseudo-terminal can be had, and then it says so.
 */
import { Fault, reasonOf } from '../fault.ts';
import { openPty } from '../platform/pty.ts';
import { type DeviceLine, type LineEvents, openSerialServer } from '../workbench/serial-server.ts';

/** Lines handed to the terminal and not taken yet; a UART's own buffer would hold far less. */
const UNWRITTEN_MAX = 64;

export async function openPumpLine(events: LineEvents, say: (text: string) => void): Promise<DeviceLine> {
  try {
    return await openTerminal(events, say);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'line.open') throw error;
    say(`no pseudo-terminal (${error.message}); the pump is on a TCP serial line instead`);
    return openSerialServer(events);
  }
}

async function openTerminal(events: LineEvents, say: (text: string) => void): Promise<DeviceLine> {
  const pty = await openPty();
  pty.onBytes(events.bytes);
  let unwritten = 0;
  let broken = false;
  const put = (text: string): void => {
    unwritten += 1;
    pty.write(text).then(
      () => {
        unwritten -= 1;
      },
      (error: unknown) => {
        if (!broken) say(`the pump's line broke: ${reasonOf(error)}`);
        broken = true;
      },
    );
  };
  return {
    port: { path: pty.path },
    write: (text) => {
      if (broken || unwritten >= UNWRITTEN_MAX) return false;
      put(text);
      return true;
    },
    close: () => {
      broken = true;
      return pty.close();
    },
  };
}
