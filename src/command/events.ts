/**
 * `events.stat`, `events.dead`: what became of the events. `events.replay`, `events.retry`: send some again; a consumer that
 * removes repeats by identity and hash is none the worse. `events.abandon`: give a dead letter up, which the ledger then
 * names as a gap.
 */
import * as v from 'valibot';
import { count, listOf, text } from './answers.ts';
import { type Command, CommandFailure, defineCommand } from './command.ts';

/** What these commands work on: the delivery's own care for its events. */
export interface EventsDesk {
  stat(): unknown;
  replay(epoch: string | undefined, from: number, to: number): unknown;
  dead(): unknown;
  retry(epoch: string | undefined, seq: number | undefined): unknown;
  abandon(epoch: string | undefined, seq: number): boolean;
}

/** More at once fills the link for hours; ask for the next part then. */
const REPLAY_MAX = 1_000_000;

const seq = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(1),
  v.maxValue(Number.MAX_SAFE_INTEGER),
  v.description('Sequence of an event.'),
);
const epoch = v.optional(
  v.pipe(
    v.string(),
    v.regex(/^[A-Za-z0-9]{1,32}$/),
    v.description('Epoch of the ledger. Default: the one that new events join.'),
  ),
);

const statResult = v.strictObject({
  epochs: listOf(
    'Oldest first.',
    v.strictObject({
      epoch: text('Epoch.'),
      first: count('Oldest sequence that is kept.'),
      last: count('Newest sequence.'),
      unsent: count('Not handed over.'),
      unsettled: count('Not settled, those not handed over among them.'),
      settled_through: v.optional(
        count('Receipts cover everything through this sequence; left out with receipts off.'),
      ),
      again: count('To be sent again.'),
      dead: count('Dead letters.'),
      lost: count('Lost to damage, named in a `ledger.gap`.'),
    }),
  ),
  bytes: count('Bytes that the ledger uses.'),
  refused: count('Events that were refused since the start.'),
  sent: v.strictObject({
    handed: count('Handed over since the start.'),
    in_flight: count('On their way now.'),
    unheard: count('Handed over since the start while nobody was subscribed.'),
    forbidden: listOf('Streams that an access rule of the broker refuses now.', v.string()),
  }),
  receipts: v.strictObject({
    on: v.pipe(v.boolean(), v.description('Whether `ledger.receipts` is on.')),
    epoch: v.exactOptional(text('Epoch of the newest receipt that was taken since the start.')),
    through: count('What that one covers; 0 before the first.'),
    taken: count('Receipts taken since the start.'),
    refused: count('Receipts refused since the start.'),
    refusal: v.exactOptional(text('Why the newest receipt was refused; left out when it was taken.')),
    reopened: count('Events that a receipt asked to have sent again.'),
  }),
});

export function eventsCommands(events: EventsDesk): readonly Command[] {
  return [
    defineCommand({
      name: 'events.stat',
      changes: false,
      summary: 'Answers with what became of the events, epoch by epoch.',
      args: v.strictObject({}),
      result: statResult,
      run: () => events.stat(),
    }),
    defineCommand({
      name: 'events.dead',
      changes: false,
      summary: 'Lists dead letters: events that the broker refused for good, with its reason code.',
      args: v.strictObject({}),
      result: v.strictObject({
        dead: listOf(
          'At most 100.',
          v.strictObject({
            epoch: text('Epoch of the event.'),
            seq: count('Its sequence.'),
            code: count("The broker's reason code (MQTT 5, 2.4)."),
          }),
        ),
        more: count('How many were left out.'),
      }),
      run: () => events.dead(),
    }),
    defineCommand({
      name: 'events.replay',
      changes: true,
      summary: 'Sends events of a range again, as far as they are kept.',
      args: v.strictObject({ epoch, from: seq, to: seq }),
      result: v.strictObject({ epoch: text('Epoch of the range.'), events: count('How many are sent again.') }),
      errors: { 'events.unknown': 'Nothing is kept of that epoch.' },
      run: ({ epoch: of, from, to }) => {
        if (to < from || to - from >= REPLAY_MAX) {
          throw new Error(`to must be from up to ${REPLAY_MAX - 1} more, got ${from} to ${to}`);
        }
        const done = events.replay(of, from, to);
        if (done === undefined) throw new CommandFailure('events.unknown', `nothing is kept of epoch ${of ?? ''}`);
        return done;
      },
    }),
    defineCommand({
      name: 'events.retry',
      changes: true,
      summary: 'Tries dead letters again: one by its sequence, or all.',
      args: v.strictObject({ epoch, seq: v.optional(seq) }),
      result: v.strictObject({ events: count('How many are tried again.') }),
      run: ({ epoch: of, seq: one }) => events.retry(of, one),
    }),
    defineCommand({
      name: 'events.abandon',
      changes: true,
      dangerous: true,
      summary: 'Gives a dead letter up for good; a ledger.gap event names it.',
      args: v.strictObject({ epoch, seq }),
      result: v.strictObject({ abandoned: count('Its sequence.') }),
      errors: { 'events.unknown': 'There is no such dead letter.' },
      run: ({ epoch: of, seq: one }) => {
        if (!events.abandon(of, one)) throw new CommandFailure('events.unknown', `there is no dead letter ${one}`);
        return { abandoned: one };
      },
    }),
  ];
}
