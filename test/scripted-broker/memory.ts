/**
 * What the scripted broker remembers: sessions, retained messages, and what waits for a consumer that is away. It can be
 * copied, so that a test can put an older copy back, as a broker that comes up from an old snapshot does.
 */
export interface Message {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

export interface Session {
  expirySeconds: number;
  readonly madeClean: boolean;
  /** QoS 2 messages that await their PUBREL, by identifier. */
  readonly awaiting: Map<number, Message>;
  /** Filters and their QoS. */
  readonly subscriptions: Map<string, 0 | 1 | 2>;
}

export interface Memory {
  readonly sessions: Map<string, Session>;
  readonly retained: Map<string, Message>;
  /** For the consumer, while it is away. */
  readonly waiting: Message[];
}

export function emptyMemory(): Memory {
  return { sessions: new Map(), retained: new Map(), waiting: [] };
}

export function emptySession(madeClean: boolean, expirySeconds: number): Session {
  return { madeClean, expirySeconds, awaiting: new Map(), subscriptions: new Map() };
}

export function copyMemory(memory: Memory): Memory {
  const copySession = (session: Session): Session => ({
    ...session,
    awaiting: new Map(session.awaiting),
    subscriptions: new Map(session.subscriptions),
  });
  return {
    sessions: new Map([...memory.sessions].map(([client, session]) => [client, copySession(session)])),
    retained: new Map(memory.retained),
    waiting: [...memory.waiting],
  };
}

export function matches(filter: string, topic: string): boolean {
  const levels = topic.split('/');
  const wanted = filter.split('/');
  for (const [at, level] of wanted.entries()) {
    if (level === '#') return true;
    if (level !== '+' && level !== levels[at]) return false;
  }
  return wanted.length === levels.length;
}
