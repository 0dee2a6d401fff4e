/**
 * `ledger`: where events are kept until they are settled, and for how long after. Its bounds are what a device owner may
 * choose; the rest of the ledger's bounds follow from its design.
 */
import * as v from 'valibot';
import { SIGNATURE_ALGORITHMS } from '../ports.ts';
import { duration, path, section, size } from './elements.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const DAY = 86_400_000;

const SIGN_EXPECTED = 'true ("ed25519"), "ed25519", "ecdsa-p256" or false';

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
  commitWindow: v.optional(
    duration('How long a new event may wait for others, to be written with them in one go. Saves the card.', 0, 10_000),
    '0s',
  ),
  receipts: v.optional(
    v.pipe(
      v.boolean('true or false'),
      v.description(
        "True: nothing leaves the disk before the consumer's receipt covers it. It then needs a consumer that sends them.",
      ),
    ),
    false,
  ),
  sign: v.optional(
    v.pipe(
      v.union([v.boolean(), v.picklist(SIGNATURE_ALGORITHMS)], SIGN_EXPECTED),
      v.description(`Events are signed with a key of this device's own, made at the first start: ${SIGN_EXPECTED}.`),
      v.transform((sign) => (sign === true ? 'ed25519' : sign)),
    ),
    false,
  ),
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
