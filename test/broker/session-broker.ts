/**
 * A broker that only keeps sessions, and a disk that only keeps their mark, for tests of the connection on a clock that is
 * turned by hand.
 */
import { Connection } from '../../src/broker/connection.ts';
import type { SessionStore } from '../../src/broker/own-session.ts';
import type { KnownSession } from '../../src/broker/session-plan.ts';
import type {
  Link,
  LinkEnd,
  LinkListener,
  LinkOpener,
  LinkOpening,
  LinkTarget,
  Protocol,
} from '../../src/ports-broker.ts';
import { HandClock } from '../sensor-rig.ts';
import { QUIET_TRAFFIC, quietOptions } from './quiet-connection.ts';
import { SOUND_TERMS } from '../delivery/model-broker.ts';

export const BROKER = 'mqtts://127.0.0.1';
const STEP_MS = 1000;
/** Turns of the loop in which a link comes up and its session is judged and marked. */
const TURNS = 40;

export class SessionBroker implements LinkOpener {
  readonly connects: { readonly cleanStart: boolean; readonly sessionPresent: boolean }[] = [];
  /** Addresses at which nobody answers. */
  readonly down = new Set<string>();
  /** Filters of the session that it keeps. */
  #session: Set<string> | undefined = new Set();
  #cut: (() => void) | undefined;

  /** The session is lost, as in a restart without its data. */
  forget(): void {
    this.cut();
    this.#session = undefined;
  }

  /** The link is lost. */
  cut(): void {
    this.#cut?.();
  }

  probe(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  open(target: LinkTarget, listener: LinkListener): Promise<LinkOpening> {
    const { cleanStart, url } = target;
    if (this.down.has(url)) return Promise.resolve({ kind: 'refused', end: { word: 'network.refused', text: '' } });
    if (cleanStart) this.#session = undefined;
    const sessionPresent = this.#session !== undefined;
    this.connects.push({ cleanStart, sessionPresent });
    const session = (this.#session ??= new Set());
    // MQTT 3.1.1 has no expiry: a clean session ends with its connection.
    const ends = target.protocol === 5 ? target.sessionExpiryMs === 0 : cleanStart;
    let over = false;
    const end = (why: LinkEnd = { word: 'own.ended', text: '' }): Promise<void> => {
      if (over) return Promise.resolve();
      over = true;
      this.#cut = undefined;
      if (ends && this.#session === session) this.#session = undefined;
      listener.ended(why);
      return Promise.resolve();
    };
    this.#cut = () => void end({ word: 'network.lost', text: '' });
    const link: Link = {
      terms: { ...SOUND_TERMS, sessionPresent },
      full: false,
      resumed: undefined,
      write: () => undefined,
      publish: () => Promise.resolve(),
      subscribe: (filter) => {
        session.add(filter);
        return Promise.resolve();
      },
      unsubscribe: (filter) => {
        const there = session.delete(filter);
        return Promise.resolve(target.protocol === 5 ? there : undefined);
      },
      end,
      destroy: (why) => void end(why),
    };
    return Promise.resolve({ kind: 'up', link });
  }
}

/** What the disk knows outlives the connections that share it. */
export class MarkedDisk implements SessionStore {
  session: KnownSession | undefined = {
    broker: BROKER,
    client: 'pump-42',
    root: 'fp/v1/pump-42',
    life: 1,
    generation: 7,
    phase: 'open',
  };
  readonly life = { ordinal: 1, epoch: 'E' };
  /** Sessions that were begun, and whether what they may not know is to be sent again. */
  readonly begun: { readonly broker: string; readonly forgotten: boolean }[] = [];
  /** So many marks are refused yet. */
  fails = 0;
  /** While it is there, no mark is answered. */
  hangs: Promise<void> | undefined;

  async markSession(session: KnownSession, forgotten: boolean): Promise<void> {
    await this.hangs;
    if (this.fails > 0) {
      this.fails -= 1;
      throw new Error('EIO');
    }
    this.session = session;
    if (session.phase === 'open') this.begun.push({ broker: session.broker, forgotten });
  }
}

export interface Up {
  readonly generation: number;
  readonly held: string | undefined;
  readonly sessionPresent: boolean;
}

export interface Device {
  readonly connection: Connection;
  readonly ups: Up[];
  /** How long there was a link, milliseconds of its clock. */
  readonly linkedMs: () => number;
  readonly pass: (ms: number) => Promise<void>;
}

/** A device's process from its start on. */
export function startDevice(
  broker: SessionBroker,
  disk: MarkedDisk,
  protocol: Protocol,
  urls: readonly string[] = [BROKER],
): Device {
  const clock = new HandClock();
  const ups: Up[] = [];
  let linkedMs = 0;
  const connection = new Connection({
    ...quietOptions(protocol),
    urls,
    opener: broker,
    store: disk,
    clock,
    traffic: {
      ...QUIET_TRAFFIC,
      up: (link, _session, { generation }, held) =>
        void ups.push({ generation, held, sessionPresent: link.terms.sessionPresent }),
    },
  });
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed <= ms; passed += STEP_MS) {
      for (let turn = 0; turn < TURNS; turn += 1) {
        // What waits for its turn is due at once.
        clock.pass(0);
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (connection.link !== undefined && passed < ms) linkedMs += STEP_MS;
      if (passed < ms) clock.pass(STEP_MS);
    }
  };
  connection.start();
  return { connection, ups, linkedMs: () => linkedMs, pass };
}
