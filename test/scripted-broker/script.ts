/**
 * What a test tells the scripted broker to do wrong: close the connection at a named step of a QoS 2 handshake, cut a
 * packet at a byte, refuse. Each hook is asked every time; without one everything goes well.
 */

/** The steps of one QoS 2 handshake, in order, as the broker sees them. */
export const STEPS = [
  'before PUBLISH is taken',
  'after PUBLISH is taken',
  'before PUBREC leaves',
  'after PUBREC has left',
  'before PUBREL is taken',
  'after PUBREL is taken',
  'before PUBCOMP leaves',
  'after PUBCOMP has left',
] as const;

export type Step = (typeof STEPS)[number];

/** `swallow`: the packet of this step is neither taken nor sent, and the connection stays. `end` is FIN, `reset` RST. */
export type Deed = 'pass' | 'swallow' | 'end' | 'reset';

export interface Cut {
  /** Bytes of the packet that still get through. */
  readonly bytes: number;
  readonly how: 'end' | 'reset';
}

export interface PublishSeen {
  readonly topic: string;
  readonly identifier: number;
  readonly dup: boolean;
  readonly payload: Buffer;
  /** The how-manieth connection of the broker. */
  readonly connection: number;
  readonly atMs: number;
}

export interface Script {
  step?: (step: Step, identifier: number) => Deed;
  /** `kind` in the words of mqtt-packet: connack, pubrec … */
  outbound?: (kind: string, packet: Buffer) => Cut | undefined;
  /** What leaves in the place of this packet; undefined: itself. */
  mutate?: (kind: string, packet: Buffer) => readonly Buffer[] | undefined;
  /** `type` is MQTT's packet type. A packet that is cut is not taken, whatever gets through of it. */
  inbound?: (type: number, packet: Buffer) => Cut | undefined;
  /** A reason code to answer this QoS 2 PUBLISH with instead of taking it; any number, also one that MQTT has not. */
  refuse?: (publish: PublishSeen) => number | undefined;
}
