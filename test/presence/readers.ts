/**
 * Two readers of the retained status. The one that follows docs/CONTRACT.md ignores an `offline` of another session and
 * doubts what is older than `valid_for`; the naive one, the control, takes every message at its word for ever.
 */

/** `doubt`: no claim. */
export type Belief = 'online' | 'offline' | 'doubt';

export interface StatusMessage {
  readonly state: unknown;
  readonly session: unknown;
  readonly valid_for?: unknown;
}

export interface Reader {
  readonly name: string;
  take(message: StatusMessage, retained: boolean, atMs: number): void;
  belief(atMs: number): Belief;
}

export function contractReader(): Reader {
  let session: unknown;
  let state: Belief = 'doubt';
  let heardMs = 0;
  let validForMs = 0;
  return {
    name: 'contract',
    take: (message, retained, atMs) => {
      if (message.state === 'offline') {
        if (session === undefined || message.session === session) state = 'offline';
        return;
      }
      // What a broker replays on a subscription may be old: of a session that is known it is no news.
      if (retained && message.session === session) return;
      session = message.session;
      state = 'online';
      heardMs = atMs;
      validForMs = Number(message.valid_for) * 1000;
    },
    belief: (atMs) => (state === 'online' && atMs - heardMs > validForMs ? 'doubt' : state),
  };
}

export function naiveReader(): Reader {
  let state: Belief = 'doubt';
  return {
    name: 'naive',
    take: (message) => {
      state = message.state === 'online' ? 'online' : 'offline';
    },
    belief: () => state,
  };
}

/** How long a reader was wrong at a stretch. */
export class Watch {
  readonly reader: Reader;
  readonly stretchesMs: number[] = [];
  #wrongSinceMs: number | undefined;

  constructor(reader: Reader) {
    this.reader = reader;
  }

  look(truth: 'online' | 'offline', atMs: number): void {
    const belief = this.reader.belief(atMs);
    const wrong = belief !== 'doubt' && belief !== truth;
    if (wrong) this.#wrongSinceMs ??= atMs;
    else this.#end(atMs);
  }

  end(atMs: number): void {
    this.#end(atMs);
  }

  get worstMs(): number {
    return Math.max(0, ...this.stretchesMs);
  }

  #end(atMs: number): void {
    if (this.#wrongSinceMs === undefined) return;
    this.stretchesMs.push(atMs - this.#wrongSinceMs);
    this.#wrongSinceMs = undefined;
  }
}
