/**
 * `ledger`: where events are kept until they are settled, and for how long after. Its bounds are what a device owner may
 * choose; the rest of the ledger's bounds follow from its design.
 */
import * as v from 'valibot';
import { duration, path, section, size } from './elements.ts';
import { LATER_EXPECTED } from './later.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const DAY = 86_400_000;

/** With fewer, retention would drop a large part of the ledger at once. */
const SEGMENTS_MIN = 4;

const keys = section('The ledger: the append-only log of events on disk.', {
  dir: path('Directory of the ledger, on a disk that keeps what was synced. One agent at a time.'),
  maxBytes: v.optional(
    size(
      'Bound of what the ledger uses. When it is full of unsettled events, new ones are refused.',
      16 * MIB,
      1024 * GIB,
    ),
    '256MiB',
  ),
  retain: v.optional(duration('How long settled events stay for replay and export.', 0, 3650 * DAY), '30d'),
  segmentBytes: v.optional(
    size('Size of one segment file: the unit of retention. Rarely worth changing.', 64 * KIB, 64 * MIB),
    '4MiB',
  ),
  receipts: v.optional(notYet("Events settle by the consumer's receipts. This version: false."), false),
  sign: v.optional(notYet('Events are signed. This version: false.'), false),
});

export const ledgerSchema = v.pipe(
  keys,
  v.forward(
    v.partialCheck(
      [['maxBytes'], ['segmentBytes']],
      ({ maxBytes, segmentBytes }) => segmentBytes * SEGMENTS_MIN <= maxBytes,
      'at most a quarter of ledger.maxBytes',
    ),
    ['segmentBytes'],
  ),
);

function notYet(description: string) {
  return v.pipe(
    v.literal(false, (issue) => (issue.input === true ? `false or ${LATER_EXPECTED}` : 'false')),
    v.description(description),
  );
}
