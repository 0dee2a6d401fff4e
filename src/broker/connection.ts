/**
 * The connection: keeps one link up at a time, for ever. It decides between resuming the session and Clean Start, puts
 * the session mark on disk before any QoS 2 packet, and waits with full jitter between attempts; the count of failures
 * starts again only after a link has held, so a broker that accepts and drops is not hammered.
 */
import { type BackoffBounds, backoffMs } from '../backoff.ts';
import { reasonOf } from '../fault.ts';
import type { Chance, Clock, Link, LinkEnd, LinkListener, LinkOpener, LinkTarget, Log, Timer } from '../ports.ts';
import { type KnownSession, markAfterConnack, planSession, type SessionKey } from './session-plan.ts';

const RECONNECT: BackoffBounds = { firstMs: 1000, maxMs: 60_000 };
/** After a refusal (authentication, certificate) nothing changes by itself soon: slower, up to ten minutes. */
const REFUSED: BackoffBounds = { firstMs: 5000, maxMs: 600_000 };
/** A second agent with the same identity: each reconnect throws the other out, so the pause is long. */
const TAKEN_OVER: BackoffBounds = { firstMs: 60_000, maxMs: 600_000 };
/** A link that held this long was a success, milliseconds. */
const HELD_MS = 30_000;

/** Where session marks are kept: the ledger. */
export interface SessionStore {
  readonly session: KnownSession | undefined;
  /** The life of the ledger whose events are to be sent now. */
  readonly life: number;
  markSession(session: KnownSession): Promise<void>;
}

/** What rides on the link. */
export interface Traffic {
  /** A new link is about to open. `session` names it; the will of this link carries it. */
  opening(session: string): LinkTarget['will'];
  inbound(chunk: Buffer): readonly Buffer[];
  drained(): void;
  message(topic: string, payload: Buffer, retained: boolean): void;
  /** The link is up, its session mark is on disk unless `eventsHeld` says why not. */
  up(link: Link, session: string, generation: number, eventsHeld: string | undefined): void;
  down(end: LinkEnd): void;
}

export interface ConnectionOptions {
  readonly opener: LinkOpener;
  readonly store: SessionStore;
  readonly traffic: Traffic;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
  readonly urls: readonly string[];
  readonly topicRoot: string;
  readonly target: Omit<LinkTarget, 'url' | 'cleanStart' | 'will'>;
  readonly newSession: () => string;
}

export class Connection {
  readonly #options: ConnectionOptions;
  #phase: 'new' | 'running' | 'stopped' = 'new';
  #link: Link | undefined;
  #urlAt = 0;
  #failures = 0;
  #upSinceMs = 0;
  #waiting: Timer | undefined;
  #attempt: Promise<void> | undefined;
  #lastEnd: string | undefined;
  #connects = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Links that came up since the start. */
  get connects(): number {
    return this.#connects;
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
    this.#link?.destroy({ kind: 'ended', text: why });
  }

  /** Ends the link with DISCONNECT, so the will is taken back. Nothing is tried after this. */
  async stop(): Promise<void> {
    this.#phase = 'stopped';
    this.#waiting?.cancel();
    const link = this.#link;
    if (link !== undefined) await link.end();
    await this.#attempt;
  }

  #try(): void {
    if (this.#phase !== 'running') return;
    this.#attempt = this.#open().catch((error: unknown) => {
      this.#options.log.error('broker connection: attempt failed', { reason: reasonOf(error) });
      this.#retry({ kind: 'unreachable', text: reasonOf(error) });
    });
  }

  async #open(): Promise<void> {
    const { opener, store, traffic, log, urls, target, topicRoot, newSession } = this.#options;
    const url = urls[this.#urlAt % urls.length] as string;
    const key: SessionKey = { broker: url, client: target.clientIdentifier, root: topicRoot, life: store.life };
    const plan = planSession(store.session, key);
    let held: string | undefined;
    if (plan.kind === 'clean' && !plan.written) held = await this.#mark(plan.mark);
    // Without the mark on disk the old session must stay as it is: it is kept, and no events go out on this link.
    const cleanStart = plan.kind === 'clean' && held === undefined;
    const session = newSession();
    const will = traffic.opening(session);
    const wanted = { ...target, url, cleanStart: false, will };
    if (cleanStart) {
      log.info('broker session: clean start', { reason: plan.kind === 'clean' ? plan.why : undefined });
      const refused = await this.#discardSession(wanted);
      if (refused !== undefined) {
        this.#retry(refused);
        return;
      }
    }
    const life = { over: false };
    const opening = await opener.open(wanted, this.#listener(life));
    if (opening.kind === 'refused') {
      this.#retry(opening.end);
      return;
    }
    const { link } = opening;
    // It may have ended in the very chunk that brought CONNACK.
    if (life.over) return;
    this.#link = link;
    this.#connects += 1;
    this.#upSinceMs = this.#options.clock.monotonicMs();
    this.#lastEnd = undefined;
    log.info('broker connected', {
      url,
      session_present: link.terms.sessionPresent,
      window: link.terms.receiveMaximum,
    });
    const mark = held === undefined ? markAfterConnack(plan, key, link.terms.sessionPresent) : undefined;
    if (mark !== undefined) held = await this.#mark(mark);
    if (this.#link !== link) return;
    if (this.#phase !== 'running') {
      await link.end();
      return;
    }
    traffic.up(link, session, mark?.generation ?? store.session?.generation ?? 0, held);
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

  async #mark(mark: KnownSession): Promise<string | undefined> {
    try {
      await this.#options.store.markSession(mark);
      return undefined;
    } catch (error) {
      this.#options.log.error('broker session: events are held back', { reason: reasonOf(error) });
      return reasonOf(error);
    }
  }

  #listener(life: { over: boolean }): LinkListener {
    const { traffic } = this.#options;
    return {
      inbound: (chunk) => traffic.inbound(chunk),
      drained: () => traffic.drained(),
      message: (topic, payload, retained) => traffic.message(topic, payload, retained),
      ended: (end) => {
        life.over = true;
        this.#link = undefined;
        traffic.down(end);
        if (this.#options.clock.monotonicMs() - this.#upSinceMs >= HELD_MS) this.#failures = 0;
        this.#retry(end);
      },
    };
  }

  #retry(end: LinkEnd): void {
    if (this.#phase !== 'running') return;
    const { clock, chance, log, urls } = this.#options;
    if (end.kind === 'ended') {
      this.#waiting = clock.after(0, () => this.#try());
      return;
    }
    this.#failures += 1;
    this.#urlAt += 1;
    const bounds = end.kind === 'taken-over' ? TAKEN_OVER : end.kind === 'refused' ? REFUSED : RECONNECT;
    const waitMs = backoffMs(bounds, Math.max(1, Math.ceil(this.#failures / urls.length)), chance);
    const fields = { reason: end.text, retry_in_ms: Math.round(waitMs), failures: this.#failures };
    // The same refusal again and again is one line at info, then silence below debug.
    if (this.#lastEnd === end.text) log.debug('broker still not connected', fields);
    else log.warn('broker not connected', fields);
    this.#lastEnd = end.text;
    this.#waiting = clock.after(waitMs, () => this.#try());
  }
}
