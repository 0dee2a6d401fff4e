/**
 * The sender: owner of the flight. It moves events from the outbox onto the link and acknowledgements into the ledger,
 * one write to the socket for each commit or inbound chunk. It is attached to one link at a time; what a late commit or
 * a late acknowledgement brings after that only changes state on disk.
 */
import { reasonOf } from '../fault.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Commit } from '../ledger/committer.ts';
import type { Life } from '../ledger/state.ts';
import type { Chance, Clock, Log, Timer } from '../ports.ts';
import type { Link, Protocol } from '../ports-broker.ts';
import type { Topics } from '../broker/topics.ts';
import { IntervalSet } from '../ledger/intervals.ts';
import { AckScanner } from './ack-scanner.ts';
import type { FlightEffect } from './flight.ts';
import { Lanes } from './lanes.ts';
import { encodePublish, encodePubrel } from './packet.ts';
import { Patience } from './patience.ts';
import { Pauses } from './pauses.ts';
import { PACKET_TOO_LARGE } from './reason-codes.ts';
import { windowOf } from './window.ts';

/** How long a replay waits for the retained receipt, which may show that the consumer has all of it, milliseconds. */
const REPLAY_AFTER_MS = 3000;
/** Longer than a commit takes, milliseconds. */
const CHANGE_MS = 1000;

export interface SenderOptions {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
  readonly topics: Topics;
  readonly protocol: Protocol;
  /** The most that may be in flight, whatever the broker allows. */
  readonly windowMax: number;
  /** An old epoch has drained: connect again; the session that the ledger knows does not fit the next one. */
  readonly onSessionOver: (why: string) => void;
  /** The broker session is not what the ledger says: throw it away, and connect again with Clean Start. */
  readonly onSessionLost: (why: string) => void;
  /** A stream is forbidden or no longer, or there is a dead letter more. */
  readonly onChange?: () => void;
}

export interface SenderFigures {
  readonly handed: number;
  readonly unheard: number;
  readonly inFlight: number;
  readonly forbidden: readonly string[];
}

interface Attached {
  readonly link: Link;
  readonly generation: number;
  readonly life: Life;
  readonly sessionPresent: boolean;
  /** Sequences through this one may have left earlier in this session. */
  readonly sentBefore: number;
  readonly lanes: Lanes;
  /** Undefined once the replay may go. */
  replayAfter: Timer | undefined;
  /** No further events leave on this link. */
  isClosing: boolean;
  /** The events of another life are due: as `isClosing`. */
  isDrained: boolean;
  noted: number;
}

export class Sender {
  readonly #options: SenderOptions;
  #attached: Attached | undefined;
  #scanner = new AckScanner();
  readonly #pauses: Pauses;
  /** Changes that are about to be told. */
  readonly #changes = new Set<Timer>();
  readonly #patience: Patience;
  #handed = 0;
  #unheard = 0;
  /** Once an event was passed over, a high-water mark no longer tells which were sent: no more notes in this session. */
  #inexact: number | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#patience = new Patience(options);
    this.#pauses = new Pauses({ ...options, onOver: () => this.#goOn() });
    options.ledger.onCommit((commit) => this.#onCommit(commit));
  }

  get figures(): SenderFigures {
    return {
      handed: this.#handed,
      unheard: this.#unheard,
      inFlight: this.#attached?.lanes.flight.size ?? 0,
      forbidden: this.#pauses.streams,
    };
  }

  /** A new link is up, and the mark of its session is on disk, which is for this life of the ledger. */
  attach(link: Link, generation: number, ordinal: number): void {
    const { ledger, clock, protocol, windowMax } = this.#options;
    const life = this.#lifeOf(ordinal);
    if (life === undefined) {
      // All of it was settled and dropped while the link came up.
      clock.soon(() => this.#options.onSessionOver('nothing is kept any more of the epoch that it is for'));
      return;
    }
    const { sessionPresent } = link.terms;
    const sentBefore = sessionPresent ? ledger.sentThrough(generation, life.ordinal) : 0;
    const lanes = new Lanes({
      ...this.#options,
      life,
      window: windowOf(link.terms, protocol, windowMax),
      isPaused: (stream) => this.#pauses.isOf(stream),
      onReady: () => this.#pumpFor(attached),
    });
    const attached: Attached = {
      link,
      generation,
      life,
      sessionPresent,
      sentBefore,
      lanes,
      replayAfter: clock.after(REPLAY_AFTER_MS, () => this.#startReplay()),
      isClosing: false,
      isDrained: false,
      noted: sentBefore,
    };
    this.#attached = attached;
    const pubrels: Buffer[] = [];
    // Of another life: what is sent again.
    for (const one of sessionPresent ? ledger.settlement.lives : []) {
      for (const [from, through] of one.released.intervals()) this.#finish(attached, one, from, through, pubrels);
    }
    this.#pump(pubrels);
    // Another life may have come before this one since the link began.
    clock.soon(() => this.#attached === attached && this.#checkDrained(attached));
  }

  /**
   * The consumer's receipt is here: what it covers of a replay that has not left need not leave; what is in flight goes on to
   * its end. Only on a session that began with this link: on an older one it may have left before, and its exchange must be
   * finished.
   */
  receiptTaken(ordinal: number, through: number): void {
    const attached = this.#attached;
    if (attached === undefined) return;
    const life = this.#lifeOf(ordinal);
    if (!attached.sessionPresent && life !== undefined) {
      const spared = new IntervalSet(life.reopened.within(life.first, through));
      for (const seq of attached.lanes.flight.of(ordinal)) spared.delete(seq);
      this.#options.ledger.settlement.unreopen(life, spared.intervals());
    }
    this.#startReplay();
  }

  /** A new link is about to open: its bytes start afresh. */
  reset(): void {
    this.#scanner = new AckScanner();
  }

  /** The link will be left: what is in flight is finished, nothing more is sent on it. */
  finish(): void {
    if (this.#attached !== undefined) this.#attached.isClosing = true;
  }

  /** The link is gone. */
  detach(): void {
    this.#attached?.replayAfter?.cancel();
    this.#attached = undefined;
    this.#pauses.linkGone();
    this.#patience.end();
  }

  /** For good: another agent may run in this process by the time that a timer of this one would end. */
  stop(): void {
    this.detach();
    this.#pauses.stop();
    for (const timer of this.#changes) timer.cancel();
    this.#changes.clear();
  }

  /** Takes our acknowledgements out of the bytes from the broker; the rest is MQTT.js's. */
  inbound(chunk: Buffer): readonly Buffer[] {
    const { acks, rest } = this.#scanner.push(chunk);
    const attached = this.#attached;
    if (attached === undefined || acks.length === 0) return rest;
    const packets: Buffer[] = [];
    for (const ack of acks) {
      const effect = attached.lanes.flight.ack(ack);
      if (effect !== undefined) this.#perform(attached, effect, packets);
      if (this.#attached !== attached) return rest;
    }
    this.#turn(packets);
    return rest;
  }

  /** The socket takes bytes again. */
  drained(): void {
    if (this.#attached !== undefined) this.#pump([]);
  }

  #onCommit(commit: Commit): void {
    const attached = this.#attached;
    if (attached === undefined) return;
    this.#patience.committed();
    const packets: Buffer[] = [];
    for (const { kind, life: ordinal, ranges } of commit.marks) {
      const life = kind === 'reopened' || kind === 'released' ? this.#lifeOf(ordinal) : undefined;
      if (life === undefined) continue;
      if (kind === 'reopened') attached.lanes.reopened(life);
      else for (const [from, through] of ranges) this.#finish(attached, life, from, through, packets);
    }
    attached.lanes.offer(commit.events);
    this.#turn(packets);
  }

  /** PUBREL for what is released on disk. */
  #finish(attached: Attached, life: Life, from: number, through: number, packets: Buffer[]): void {
    for (let seq = from; seq <= through; seq += 1) {
      const effect = life.handed.has(seq) ? undefined : attached.lanes.released(life, seq);
      if (effect !== undefined) this.#perform(attached, effect, packets);
    }
  }

  #lifeOf(ordinal: number): Life | undefined {
    return this.#options.ledger.settlement.lives.find((life) => life.ordinal === ordinal);
  }

  #startReplay(): void {
    const attached = this.#attached;
    attached?.replayAfter?.cancel();
    if (attached === undefined) return;
    attached.replayAfter = undefined;
    attached.lanes.mayReplay = true;
    this.#turn([]);
  }

  #pumpFor(attached: Attached): void {
    if (this.#attached === attached) this.#turn([]);
  }

  #turn(packets: Buffer[]): void {
    this.#pump(packets);
    if (this.#attached !== undefined) this.#checkDrained(this.#attached);
  }

  /** Fills the window and writes everything in one piece. PUBRELs go in any case: four bytes for each of the window. */
  #pump(packets: Buffer[]): void {
    const attached = this.#attached;
    if (attached === undefined) return;
    const { link, lanes } = attached;
    const highest = this.#fill(attached, packets);
    this.#patience.with(lanes.flight, link);
    if (packets.length === 0) return;
    if (highest > attached.noted && this.#inexact !== attached.generation) this.#note(attached, highest);
    link.write(Buffer.concat(packets));
  }

  /** Returns the highest sequence of a new event that left, 0 for none. */
  #fill(attached: Attached, packets: Buffer[]): number {
    const { topics, protocol } = this.#options;
    const { lanes, link } = attached;
    let highest = 0;
    while (!attached.isClosing && !attached.isDrained && !this.#pauses.ofAll && !link.full) {
      const leaving = lanes.next();
      if (leaving === undefined) break;
      const { event, way } = leaving;
      const { life, seq, stream } = event;
      const { identifier, again } = way;
      const resent = !again && seq <= attached.sentBefore;
      const dup = resent && this.#inexact !== attached.generation;
      const packet = encodePublish(protocol, topics.event(stream), event, identifier, dup);
      if (packet.length > link.terms.maximumPacketSize) {
        this.#perform(attached, { kind: 'mark-dead', life, seq, stream, reason: PACKET_TOO_LARGE }, packets);
        continue;
      }
      // 0x91 on a replay can not tell whose exchange it is: then the session begins anew, which costs repeats.
      lanes.flight.sent(event, { ...way, resent: !again && (resent || attached.sessionPresent) });
      packets.push(packet);
      if (!again) highest = seq;
    }
    return highest;
  }

  #perform(attached: Attached, effect: FlightEffect, packets: Buffer[]): void {
    const { ledger, log } = this.#options;
    switch (effect.kind) {
      case 'send-pubrel':
        packets.push(encodePubrel(effect.identifier));
        return;
      case 'mark-released':
        if (effect.unheard) this.#countUnheard();
        ledger.release(effect.life, effect.seq);
        return;
      case 'mark-handed':
        this.#handed += 1;
        this.#pauses.progress();
        ledger.strays.leaves(effect.stream);
        ledger.handOver(effect.life, effect.seq);
        return;
      case 'mark-dead':
        log.error('broker refuses an event for good: dead letter', { seq: effect.seq, code: effect.reason });
        attached.lanes.bury(effect.life, effect.seq);
        ledger.strays.died(effect.stream);
        ledger.bury(effect.life, effect.seq, effect.reason);
        this.#tellSoon();
        return;
      case 'later':
        this.#makeInexact(attached);
        this.#pauses.pauseAll(effect.reason);
        return;
      case 'forbidden':
        this.#makeInexact(attached);
        ledger.strays.holdBack(effect.stream);
        this.#pauses.pauseStream(effect.stream);
        return;
      case 'session-lost':
        this.#options.onSessionLost('the broker holds an identifier that this session never used');
        return;
      case 'protocol-error':
        attached.link.destroy({ word: 'broker.protocol', text: `broker: ${effect.what}` });
    }
  }

  /** Once the mark is on disk, the figures show it. */
  #tellSoon(): void {
    const timer = this.#options.clock.after(CHANGE_MS, () => {
      this.#changes.delete(timer);
      this.#options.onChange?.();
    });
    this.#changes.add(timer);
  }

  /** A pause is over: what it passed over goes now. */
  #goOn(): void {
    this.#attached?.lanes.rewind();
    this.#turn([]);
  }

  #makeInexact(attached: Attached): void {
    if (this.#inexact === attached.generation) return;
    // Both slots: nothing counts as sent, so a resend carries DUP=0 and 0x91 still means "already received".
    this.#note(attached, 0);
    this.#note(attached, 0);
    this.#inexact = attached.generation;
  }

  #note(attached: Attached, seq: number): void {
    attached.noted = Math.max(attached.noted, seq);
    try {
      this.#options.ledger.noteSent(attached.generation, attached.life.ordinal, seq);
    } catch (error) {
      this.#inexact = attached.generation;
      this.#options.log.warn('ledger: the sent note could not be written', { reason: reasonOf(error) });
    }
  }

  #countUnheard(): void {
    if (this.#unheard === 0) this.#options.log.warn('broker took an event that nobody is subscribed to');
    this.#unheard += 1;
  }

  /**
   * An old epoch is handed over: identifiers start again with the next one, so the session must too, once what is in flight
   * is through. What of it waits for a paused stream does not hold up the next one: it goes on in the lane of what is sent
   * again. Nothing of it lies at the broker, which has refused it, so a new session can take it as well.
   */
  #checkDrained(attached: Attached): void {
    const { ledger } = this.#options;
    const { life, lanes } = attached;
    const next = ledger.drainingLife;
    if (next === undefined || attached !== this.#attached) return;
    attached.isDrained = next.ordinal !== life.ordinal;
    if (!attached.isDrained) {
      if (ledger.settlement.hasNewer(life) && !this.#pauses.ofAll) ledger.settlement.postpone(life, lanes.leftBehind());
      return;
    }
    if (lanes.flight.size > 0) return;
    this.#options.onSessionOver(`epoch ${life.epoch} has nothing more to send; epoch ${next.epoch} follows`);
  }
}
