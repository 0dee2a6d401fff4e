/**
 * A broker of our own, on plain TCP and loopback, whose answers follow a profile and whose faults follow a script. The
 * consumer is inside: `onward` is what it gets. It shows what the agent does with answers that real brokers were seen to
 * give; that those brokers give them is not shown here. Wills are not published.
 */
import { createServer, type Server } from 'node:net';
import type { IPublishPacket } from 'mqtt-packet';
import { copyMemory, emptyMemory, matches, type Memory, type Message, type Session } from './memory.ts';
import { type Host, type Noted, Peer } from './peer.ts';
import type { Profile } from './profiles.ts';
import type { PublishSeen, Script } from './script.ts';

export class ScriptedBroker {
  readonly script: Script = {};
  /** What the consumer got. */
  readonly onward: Message[] = [];
  /** Each QoS 2 PUBLISH that arrived. */
  readonly publishes: PublishSeen[] = [];
  /** Identifiers whose PUBREL has come, taken or not: the agent knows that the broker has acknowledged the event. */
  readonly released = new Set<number>();
  /** Identifiers whose PUBCOMP has left. */
  readonly completed = new Set<number>();
  /** Identifiers of what it answered as if it had taken it, and threw away. */
  readonly dropped = new Set<number>();
  /** Reason codes with which it ended a connection. */
  readonly ended: number[] = [];
  readonly connects: { readonly cleanStart: boolean; readonly refusal: number; readonly atMs: number }[] = [];
  /** `away`: subscribed, with a session, and not connected. `none`: nobody is subscribed. */
  #consumer: 'there' | 'away' | 'none' = 'there';
  readonly #profile: Profile;
  readonly #server: Server;
  readonly #peers = new Map<Peer, string | undefined>();
  #memory: Memory = emptyMemory();
  #connections = 0;

  constructor(profile: Profile) {
    this.#profile = profile;
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#connections += 1;
      const peer = new Peer(this.#host(), socket, this.#connections);
      this.#peers.set(peer, undefined);
      socket.once('close', () => this.#peers.delete(peer));
    });
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the scripted broker is not open');
    return address.port;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Clients that are connected now. */
  get clients(): readonly string[] {
    return [...this.#peers.values()].filter((client) => client !== undefined);
  }

  async start(): Promise<void> {
    await new Promise<void>((done, fail) => {
      this.#server.once('error', fail);
      this.#server.listen(0, '127.0.0.1', done);
    });
  }

  async stop(): Promise<void> {
    this.cut('reset');
    await new Promise<void>((done) => this.#server.close(() => done()));
  }

  cut(how: 'end' | 'reset' = 'reset'): void {
    for (const peer of this.#peers.keys()) peer.close(how);
  }

  snapshot(): Memory {
    return copyMemory(this.#memory);
  }

  /**
   * Down and up again. `as the profile`: what this broker saves in an orderly restart. `nothing`: all is lost. A snapshot:
   * an older copy comes back.
   */
  restart(remembers: 'as the profile' | 'nothing' | Memory): void {
    this.cut('end');
    if (typeof remembers === 'object') this.#memory = copyMemory(remembers);
    else if (remembers === 'nothing' || this.#profile.keeps === 'nothing') this.#memory = emptyMemory();
    else if (this.#profile.keeps === 'sessions not made by Clean Start') {
      for (const [client, { madeClean }] of this.#memory.sessions) if (madeClean) this.#memory.sessions.delete(client);
    }
  }

  /** The consumer goes or comes; what waited for it is delivered when it is there again. */
  consumer(is: 'there' | 'away' | 'none'): void {
    this.#consumer = is;
    if (is === 'there') this.onward.push(...this.#memory.waiting.splice(0));
  }

  /** Publishes to the clients, as an operator would. */
  say(topic: string, payload: Buffer, retain = false): void {
    const message: Message = { topic, payload, qos: 1, retain };
    if (retain) this.#memory.retained.set(topic, message);
    for (const peer of this.#peers.keys()) peer.offer(message, false);
  }

  retained(topic: string): Buffer | undefined {
    return this.#memory.retained.get(topic)?.payload;
  }

  #host(): Host {
    const heard = (): boolean => this.#consumer !== 'none';
    return {
      profile: this.#profile,
      script: this.script,
      get heard() {
        return heard();
      },
      note: (what) => this.#note(what),
      join: (peer, client, make, clean) => this.#join(peer, client, make, clean),
      left: (peer, client, session) => {
        if (this.#peers.has(peer)) this.#peers.set(peer, undefined);
        if (session.expirySeconds === 0 && this.#memory.sessions.get(client) === session)
          this.#memory.sessions.delete(client);
      },
      onward: (message) => this.#onward(message),
      retainedFor: (filter) => [...this.#memory.retained.values()].filter(({ topic }) => matches(filter, topic)),
    };
  }

  #join(peer: Peer, client: string, make: () => Session, clean: boolean): { session: Session; present: boolean } {
    for (const [other, name] of this.#peers) if (other !== peer && name === client) other.takenOver();
    const { sessions } = this.#memory;
    if (clean) sessions.delete(client);
    const known = sessions.get(client);
    const session = known ?? make();
    sessions.set(client, session);
    this.#peers.set(peer, client);
    return { session, present: known !== undefined };
  }

  #onward(message: Message): void {
    if (message.retain) {
      if (message.payload.length === 0) this.#memory.retained.delete(message.topic);
      else this.#memory.retained.set(message.topic, message);
    }
    if (this.#consumer === 'there') this.onward.push(message);
    else if (this.#consumer === 'away') this.#memory.waiting.push(message);
  }

  #note(what: Noted): void {
    switch (what.kind) {
      case 'released':
        this.released.add(what.identifier);
        return;
      case 'completed':
        this.completed.add(what.identifier);
        return;
      case 'dropped':
        this.dropped.add(what.identifier);
        return;
      case 'ended':
        this.ended.push(what.reason);
        return;
      case 'connect':
        this.connects.push({ cleanStart: what.cleanStart, refusal: what.refusal, atMs: performance.now() });
        return;
      case 'publish':
        if (what.packet.qos === 2) this.publishes.push(seenOf(what.packet, what.connection));
    }
  }
}

function seenOf({ topic, dup, payload, messageId }: IPublishPacket, connection: number): PublishSeen {
  const bytes = Buffer.from(payload);
  return { topic, dup, payload: bytes, identifier: messageId ?? 0, connection, atMs: performance.now() };
}
