/** Hears what comes over a line beside whoever reads it. */
import type { LineConnection, LineOpener } from '../ports-line.ts';

export interface LineTap {
  opened(): void;
  bytes(chunk: Buffer): void;
  lost(why: string): void;
}

/** `opened` comes before the bytes of the connection, `lost` after them. */
export function tappedOpener(opener: LineOpener, tap: LineTap): LineOpener {
  return {
    ...opener,
    open: async (spec, listener): Promise<LineConnection> => {
      let isOpened = false;
      const opened = (): void => {
        if (!isOpened) tap.opened();
        isOpened = true;
      };
      const connection = await opener.open(spec, {
        bytes: (chunk) => {
          opened();
          tap.bytes(chunk);
          listener.bytes(chunk);
        },
        closed: (reason) => {
          tap.lost(reason);
          listener.closed(reason);
        },
      });
      opened();
      return connection;
    },
  };
}
