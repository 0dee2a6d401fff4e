/**
 * The connection: keeps one link up at a time, for ever. It decides between resuming the session and Clean Start, puts
 * the session mark on disk before any QoS 2 packet, waits between attempts as retry.ts says, and remembers why the last
 * link ended.
 */
import { reasonOf } from '../fault.ts';
import type { Chance, Clock, Log, Timer } from '../ports.ts';
import type { InboundMessage, Link, LinkEnd, LinkListener, LinkOpener, LinkTarget, LinkWord } from '../ports-broker.ts';
import { OwnSession, type SessionStore } from './own-session.ts';
import { HELD_MS, isTimely, NO_FAILURES, planRetry } from './retry.ts';
import { ReturnHome } from './return-home.ts';
import { type KnownSession, markAfterConnack, type SessionKey } from './session-plan.ts';

/** A session that is not ours a second time within this is another client's doing, milliseconds. */
const FOREIGN_AGAIN_MS = 3_600_000;
const MARK_AGAIN_MS = 10_000;
/** Whoever took the session over may have left packets of its own in it, under identifiers that are ours. */
const TAKEN = { why: 'another client has used it', forgotten: true };
/** Time for an attempt to end by itself when nothing more is wanted; a broker that is silent would take longer. */
const STOP_MS = 2000;

/** What rides on the link. */
export interface Traffic {
  /** A new link is about to open. `session` names it; the will of this link carries it. */
  opening(session: string): LinkTarget['will'];
  inbound(chunk: Buffer): readonly Buffer[];
  drained(): void;
  message(message: InboundMessage): void;
  /** The link is up, its session mark is on disk unless `eventsHeld` says why not; `life` is the one that it is for. */
  up(link: Link, session: string, mark: { generation: number; life: number }, eventsHeld: string | undefined): void;
  down(end: LinkEnd): void;
  /** The link is to be left for another one: no further events on it. Resolves once those in flight are through, or soon. */
  quiesce(): Promise<void>;
  /** An attempt failed, or a link ended; `figures` say why. */
  failed(): void;
}

export interface ConnectionFigures {
  /** Links that came up since the start. */
  readonly connects: number;
  /** Attempts in a row that brought no link that held. */
  readonly failures: number;
  /** Takeovers since the last link that held for long: another client uses our identity. */
  readonly takeovers: number;
  /** Why the last link ended, or the last attempt failed. Wall milliseconds. */
  readonly lastEnd: { readonly word: LinkWord; readonly text: string; readonly atMs: number } | undefined;
  /** Undefined: no link. */
  readonly url: string | undefined;
}

export interface ConnectionOptions {
  readonly opener: LinkOpener;
  readonly store: SessionStore;
  readonly traffic: Traffic;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
  readonly urls: readonly string[];
  /** How long a broker that stands in for the first is kept before the first is looked for, milliseconds; 0: always. */
  readonly returnAfterMs: number;
  readonly topicRoot: string;
  readonly target: Omit<LinkTarget, 'url' | 'cleanStart' | 'will'>;
  readonly newSession: () => string;
  /** Why no events may leave whatever the broker says, or undefined: its session stays as it is then. */
  readonly held: () => string | undefined;
}

export class Connection {
  readonly #options: ConnectionOptions;
  #phase: 'new' | 'running' | 'stopped' = 'new';
  #link: Link | undefined;
  #urlAt = 0;
  #history = NO_FAILURES;
  #upSinceMs: number | undefined;
  #waiting: Timer | undefined;
  #attempt: Promise<void> | undefined;
  #ending = new AbortController();
  #lastEnd: ConnectionFigures['lastEnd'];
  /** What was told since the last link was up: each word once. */
  readonly #told = new Set<LinkWord>();
  #cleanTold: string | undefined;
  #connects = 0;
  #url: string | undefined;
  readonly #own: OwnSession;
  /** When a session was last found to be another client's. */
  #foreignMs: number | undefined;
  readonly #home: ReturnHome;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#own = new OwnSession(options);
    this.#home = new ReturnHome({
      ...options,
      afterMs: options.returnAfterMs,
      probe: () => this.#probe(options.urls[0] as string),
      go: () => void this.#leave('the first broker is there again', 0),
    });
  }

  get figures(): ConnectionFigures {
    return {
      connects: this.#connects,
      ...this.#history,
      lastEnd: this.#lastEnd,
      url: this.#link === undefined ? undefined : this.#url,
    };
  }

  get link(): Link | undefined {
    return this.#link;
  }

  start(): void {
    this.#phase = 'running';
    this.#try();
  }

  /** Drops the link and connects again at once. */
  restart(why: string): void {
    this.#link?.destroy({ word: 'own.ended', text: why });
  }

  /**
   * What the broker answers does not fit the session that we know: drops the link, and the next one begins a session anew.
   * In one that has only just been made anew that mends nothing: then it is the broker's fault, and tried slowly.
   */
  abandonSession(why: string): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#options.log.warn('broker session: given up, made anew', { reason: why });
    // The broker remembers too much rather than too little.
    this.#own.disown({ why, forgotten: false });
    link.destroy({ word: link.terms.sessionPresent ? 'own.ended' : 'broker.protocol', text: why });
  }

  /** Ends the link with DISCONNECT and connects again at once; without a link, what waits for its next attempt is tried now. */
  renew(why: string): void {
    if (this.#link !== undefined) {
      this.#link.end({ word: 'own.ended', text: why }).catch((error: unknown) => {
        this.#options.log.error('broker connection: end failed', { reason: reasonOf(error) });
      });
      return;
    }
    if (this.#waiting !== undefined) this.#try();
  }

  /**
   * A link with the files as they are now: without one it is tried at once; one that is up is left only if the new files
   * bring as far as that, and otherwise why not is told.
   */
  async takeRenewed(): Promise<LinkEnd | undefined> {
    if (this.#link === undefined) {
      if (this.#waiting !== undefined) this.#try();
      return undefined;
    }
    const refused = await this.#probe(this.#url as string);
    if (refused === undefined) await this.#leave('the files of the identity were renewed', this.#urlAt);
    return refused;
  }

  /** Ends the link with DISCONNECT, so the will is taken back. Nothing is tried after this. */
  async stop(): Promise<void> {
    this.#phase = 'stopped';
    this.#waiting?.cancel();
    this.#home.cancel();
    await this.#link?.end();
    const late = this.#options.clock.after(STOP_MS, () => this.#ending.abort());
    await this.#attempt;
    late.cancel();
  }

  /** The wall clock is better than it was: what only failed for want of it is tried at once. */
  clockChanged(): void {
    if (this.#waiting !== undefined && isTimely(this.#lastEnd?.word)) this.#try();
  }

  /** Nothing of ours is half handed over then, and the broker takes the will back: nobody is told that we are lost. */
  async #leave(why: string, urlAt: number): Promise<void> {
    const link = this.#link;
    if (link === undefined || this.#phase !== 'running') return;
    this.#options.log.info('broker connection: is left for a new one', { reason: why });
    await this.#options.traffic.quiesce();
    if (this.#link !== link) return;
    this.#urlAt = urlAt;
    await link.end({ word: 'own.ended', text: why });
  }

  async #probe(url: string): Promise<LinkEnd | undefined> {
    return this.#options.opener.probe({ ...this.#options.target, url, signal: this.#ending.signal });
  }

  #try(): void {
    this.#waiting?.cancel();
    this.#waiting = undefined;
    if (this.#phase !== 'running') return;
    this.#ending = new AbortController();
    this.#attempt = this.#open().catch((error: unknown) => {
      this.#options.log.error('broker connection: attempt failed', { reason: reasonOf(error) });
      this.#retry({ word: 'network.unreachable', text: reasonOf(error) });
    });
  }

  async #open(): Promise<void> {
    const { opener, store, traffic, log, urls, target, topicRoot, newSession } = this.#options;
    const barred = this.#options.held();
    const url = urls[this.#urlAt % urls.length] as string;
    await this.#own.settled;
    // The session that is known is given up by the mark for another one: not for a broker that is not there either.
    if (store.session?.phase === 'open' && store.session.broker !== url) {
      const refused = await this.#probe(url);
      if (refused !== undefined) return this.#retry(refused);
    }
    // Fixed until the link ends: a receipt with CONNACK may begin another epoch, and a new session reopen an older one, but
    // mark, witnesses and events are of one life.
    const { life } = store;
    const key: SessionKey = { broker: url, client: target.clientIdentifier, root: topicRoot, life: life.ordinal };
    const plan = this.#own.plan(key);
    let held = barred;
    if (held === undefined && plan.kind === 'clean' && !plan.written) held = await this.#own.mark(plan.mark);
    // Without the mark on disk the old session must stay as it is: it is kept, and no events go out on this link.
    const cleanStart = plan.kind === 'clean' && held === undefined;
    // One that is void is not, and none may stay that a new start, which knows only the old mark, would take for ours.
    const passing = held !== undefined && barred === undefined && plan.kind === 'clean' && plan.isVoid;
    const session = newSession();
    const will = traffic.opening(session);
    const expiry = passing ? { sessionExpiryMs: 0 } : {};
    const wanted = { ...target, ...expiry, url, cleanStart: passing, will, signal: this.#ending.signal };
    if (cleanStart) {
      const why = plan.kind === 'clean' ? plan.why : undefined;
      if (why !== this.#cleanTold) log.info('broker session: clean start', { reason: why });
      this.#cleanTold = why;
      const refused = await this.#discardSession(wanted);
      if (refused !== undefined) return this.#retry(refused);
    }
    // On a trial the session at the other end may be nobody's, or another client's: it says nothing of ours.
    const fate = { over: false, ours: barred === undefined || plan.kind === 'resume' };
    const opening = await opener.open(wanted, this.#listener(fate));
    if (opening.kind === 'refused') {
      this.#retry(opening.end);
      return;
    }
    const { link } = opening;
    // It may have ended in the very chunk that brought CONNACK.
    if (fate.over) return;
    this.#link = link;
    this.#connects += 1;
    this.#upSinceMs = this.#options.clock.monotonicMs();
    this.#url = url;
    this.#told.clear();
    this.#cleanTold = undefined;
    log.info('broker connected', {
      url,
      session_present: link.terms.sessionPresent,
      receive_maximum: link.terms.receiveMaximum,
      tls_resumed: link.resumed,
    });
    // What a trial has found gone must not look like ours to the next link, since this link has made it anew.
    if (barred !== undefined && plan.kind === 'resume' && !link.terms.sessionPresent)
      this.#own.disown({ why: 'it was gone on a trial', forgotten: true });
    const mark = held === undefined ? markAfterConnack(plan, key, link.terms.sessionPresent) : undefined;
    const forgotten = plan.kind === 'resume' || plan.forgotten;
    if (mark !== undefined) held = await this.#own.begin(mark, forgotten);
    // The session that was to be resumed is gone, and the one that this link has made in its place is void.
    if (held !== undefined && barred === undefined && plan.kind === 'resume') return link.end();
    const generation = mark?.generation ?? store.session?.generation ?? 0;
    const isNew = mark !== undefined;
    if (this.#link === link && held === undefined && (await this.#own.isForeign(link, life, generation, isNew)))
      return this.#leaveForeign(link);
    if (this.#link !== link) return;
    if (this.#phase !== 'running') return link.end();
    traffic.up(link, session, { generation, life: life.ordinal }, held);
    if (held !== undefined && barred === undefined && plan.kind === 'clean') this.#markAgain(link, plan.mark);
    if (url !== urls[0]) this.#home.away();
  }

  /**
   * Beside the link, which is the only way to a device whose disk fails: it is left once the mark of the session that is to
   * follow is on disk.
   */
  #markAgain(link: Link, mark: KnownSession): void {
    this.#options.clock.after(MARK_AGAIN_MS, () => {
      if (this.#link !== link) return;
      this.#markBeside(link, mark).catch((error: unknown) => {
        this.#options.log.error('broker session: marking failed', { reason: reasonOf(error) });
      });
    });
  }

  async #markBeside(link: Link, mark: KnownSession): Promise<void> {
    const failure = await this.#own.markBeside(mark);
    if (this.#link !== link) return;
    if (failure === undefined) this.renew('its session can be marked now');
    else this.#markAgain(link, mark);
  }

  /**
   * Once, the session is made anew at once: the broker may only have come back from an old copy. Again soon after, there is
   * another client that makes it its own each time, and one of the two has to yield.
   */
  async #leaveForeign(link: Link): Promise<void> {
    const { clock, log } = this.#options;
    const nowMs = clock.monotonicMs();
    const again = nowMs - (this.#foreignMs ?? Number.NEGATIVE_INFINITY) < FOREIGN_AGAIN_MS;
    this.#foreignMs = nowMs;
    const text =
      "the broker's session is not the one that this device made: another client uses this client identifier";
    if (again) return link.end({ word: 'broker.taken-over', text });
    log.warn('broker session: not the one that this device made; made anew', { once_more_within_ms: FOREIGN_AGAIN_MS });
    this.#own.disown(TAKEN);
    return link.end();
  }

  /**
   * Clean Start on a link of its own, which ends at once. A session that was made by Clean Start does not last: in MQTT
   * 3.1.1 it ends with its connection, and Mosquitto 2.0.11 does not save it, whatever its expiry (both seen).
   */
  async #discardSession(target: LinkTarget): Promise<LinkEnd | undefined> {
    const nothing = (): void => undefined;
    const listener = { inbound: (chunk: Buffer) => [chunk], drained: nothing, message: nothing, ended: nothing };
    const discard = { ...target, cleanStart: true, sessionExpiryMs: 0 };
    const opening = await this.#options.opener.open(discard, listener);
    if (opening.kind === 'refused') return opening.end;
    await opening.link.end();
    return undefined;
  }

  #listener(fate: { over: boolean; readonly ours: boolean }): LinkListener {
    const { traffic } = this.#options;
    return {
      inbound: (chunk) => traffic.inbound(chunk),
      drained: () => traffic.drained(),
      message: (message) => traffic.message(message),
      ended: (end) => {
        fate.over = true;
        this.#link = undefined;
        this.#home.cancel();
        traffic.down(end);
        if (end.word === 'broker.taken-over' && fate.ours) this.#own.disown(TAKEN);
        this.#retry(end);
      },
    };
  }

  #retry(end: LinkEnd): void {
    if (this.#phase !== 'running') return;
    const { clock, chance, urls, traffic } = this.#options;
    const heldMs = this.#upSinceMs === undefined ? 0 : clock.monotonicMs() - this.#upSinceMs;
    this.#upSinceMs = undefined;
    const { history, floorMs, ceilingMs } = planRetry(this.#history, end, heldMs, urls.length);
    this.#history = history;
    const waitMs = floorMs + chance.unit() * (ceilingMs - floorMs);
    this.#waiting = clock.after(waitMs, () => this.#try());
    if (heldMs >= HELD_MS && this.#url === urls[0]) this.#home.held();
    if (end.word === 'own.ended') return;
    // Where a link held, the session is, and what is half handed over: there first, then at the next broker of the list.
    if (heldMs < HELD_MS) this.#urlAt += 1;
    this.#lastEnd = { word: end.word, text: end.text, atMs: clock.wallMs() };
    this.#tell(end, waitMs);
    traffic.failed();
  }

  /** A trouble is told once until a link is up again; its repeats are for debugging. */
  #tell({ word, text }: LinkEnd, waitMs: number): void {
    const { log } = this.#options;
    const { failures, takeovers } = this.#history;
    const fields = { word, reason: text, retry_in_ms: Math.round(waitMs), failures };
    if (word === 'broker.taken-over') {
      log.error("another client uses this device's identity: give each device its own certificate and id", {
        ...fields,
        takeovers,
      });
    } else if (this.#told.has(word)) log.debug('broker still not connected', fields);
    else log.warn('broker not connected', fields);
    this.#told.add(word);
  }
}
