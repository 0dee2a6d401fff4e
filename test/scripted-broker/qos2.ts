/** A broker's side of the QoS 2 handshake, as its profile answers (MQTT 5, 4.3.3). Changes only the session given. */
import type { Message, Session } from './memory.ts';
import type { Profile } from './profiles.ts';

interface Answer {
  readonly reason: number;
  /** What goes onward now. */
  readonly deliver: Message | undefined;
  /** Answered as if it were taken, and thrown away. */
  readonly dropped?: true;
}

export interface Arrival {
  readonly identifier: number;
  readonly dup: boolean;
  readonly message: Message;
  /** Somebody is subscribed. */
  readonly heard: boolean;
}

export function takePublish(profile: Profile, session: Session, arrival: Arrival): Answer {
  const { identifier, dup, message, heard } = arrival;
  const atOnce = profile.delivers === 'at PUBLISH';
  const known = session.awaiting.get(identifier);
  if (known !== undefined) {
    switch (profile.onKnown) {
      case 'in-use':
        return { reason: 0x91, deliver: undefined };
      case 'in-use-without-dup':
        return { reason: dup ? 0 : 0x91, deliver: undefined };
      case 'delivered-again':
        return { reason: 0, deliver: message };
      case 'again':
        // Mosquitto compares topic and payload: other content is another message ("Reused message ID", handle_publish.c).
        if (!atOnce && !isSame(known, message)) session.awaiting.set(identifier, message);
        return { reason: 0, deliver: undefined };
    }
  }
  if (dup && profile.dropsUnseenDup) return { reason: 0, deliver: undefined, dropped: true };
  session.awaiting.set(identifier, message);
  return { reason: heard ? 0 : profile.unheard, deliver: atOnce ? message : undefined };
}

export function takePubrel(profile: Profile, session: Session, identifier: number): Answer {
  const known = session.awaiting.get(identifier);
  session.awaiting.delete(identifier);
  if (known === undefined) return { reason: profile.unknownPubrel, deliver: undefined };
  return { reason: 0, deliver: profile.delivers === 'at PUBREL' ? known : undefined };
}

function isSame(a: Message, b: Message): boolean {
  return a.topic === b.topic && a.payload.equals(b.payload);
}
