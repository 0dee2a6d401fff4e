/** What the commit loop is given. */
import type { Boot, Clock, EventSigner, Log } from '../ports.ts';
import type { LedgerFiles } from './files.ts';
import type { TailNote } from './notes.ts';

export interface CommitterOptions {
  readonly files: LedgerFiles;
  readonly clock: Clock;
  readonly log: Log;
  readonly device: string;
  readonly boot: Boot;
  readonly segmentBytes: number;
  readonly maxBytes: number;
  /** How long an event may wait for others to be committed with, milliseconds; default 0. */
  readonly commitWindowMs?: number;
  readonly signer?: EventSigner;
  /** Pieces of the state above which streams that stay behind are refused; see strays.ts. */
  readonly piecesMax?: number;
  /** Told of each finished commit, before anyone else is. */
  readonly onTail: (tail: TailNote) => void;
  /** Events begin to be refused, or are accepted again. */
  readonly onRefusing?: () => void;
}
