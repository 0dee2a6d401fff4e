/**
 * Listening in on lines that are open, beside whoever reads them: a tap gets a copy of what comes, before the framer and
 * without a word in it, over every opening of that port. It stands between the lines and the port that opens them.
 */
import type { Timer } from '../ports.ts';
import type { LineConnection, LineListener, LineOpener, PortSpec } from '../ports-line.ts';

interface Tap {
  readonly port: string;
  readonly take: (chunk: Buffer) => void;
}

export class LineTaps implements LineOpener {
  readonly #opener: LineOpener;
  readonly #taps = new Set<Tap>();

  constructor(opener: LineOpener) {
    this.#opener = opener;
  }

  open(spec: PortSpec, listener: LineListener): Promise<LineConnection> {
    const port = nameOf(spec);
    return this.#opener.open(spec, {
      bytes: (chunk) => {
        for (const tap of this.#taps) {
          if (tap.port === port) tap.take(Buffer.from(chunk));
        }
        listener.bytes(chunk);
      },
      closed: (reason) => listener.closed(reason),
    });
  }

  appears(spec: PortSpec, run: () => void): Timer | undefined {
    return this.#opener.appears?.(spec, run);
  }

  /** `take`: the chunk is its own to keep; it must not throw. */
  tap(spec: PortSpec, take: Tap['take']): Timer {
    const tap = { port: nameOf(spec), take };
    this.#taps.add(tap);
    return { cancel: () => void this.#taps.delete(tap) };
  }
}

function nameOf(spec: PortSpec): string {
  return spec.kind === 'tty' ? spec.path : `${spec.host}:${spec.port}`;
}
