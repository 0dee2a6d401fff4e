/**
 * What a reason code on PUBREC means for an event (DESIGN 9.3). A code is judged by number alone, never by wording.
 */
export type Verdict =
  /** The broker has the event. `unheard`: nobody was subscribed. */
  | { readonly kind: 'received'; readonly unheard: boolean }
  /** The broker is short of something: send again later, backing off. */
  | { readonly kind: 'later' }
  /** An access rule forbids the stream: hold the stream, say so, try slowly. */
  | { readonly kind: 'forbidden' }
  /** This event will never be taken as it is. */
  | { readonly kind: 'dead' }
  /** The identifier is in use although this event was never sent in this session: the session is not what we think. */
  | { readonly kind: 'session-lost' }
  /** No such code on PUBREC (MQTT 5, table 3-5). */
  | { readonly kind: 'protocol-error' };

const NO_MATCHING_SUBSCRIBERS = 0x10;
const UNSPECIFIED = 0x80;
const IMPLEMENTATION_SPECIFIC = 0x83;
const NOT_AUTHORISED = 0x87;
const SERVER_BUSY = 0x89;
const TOPIC_NAME_INVALID = 0x90;
const IDENTIFIER_IN_USE = 0x91;
const IDENTIFIER_NOT_FOUND = 0x92;
const RECEIVE_MAXIMUM_EXCEEDED = 0x93;
export const PACKET_TOO_LARGE = 0x95;
const QUOTA_EXCEEDED = 0x97;
const PAYLOAD_FORMAT_INVALID = 0x99;

/** `resent`: this event may have been sent before in this session. */
export function judgePubrec(reason: number, resent: boolean): Verdict {
  switch (reason) {
    case 0:
      return { kind: 'received', unheard: false };
    case NO_MATCHING_SUBSCRIBERS:
      return { kind: 'received', unheard: true };
    case IDENTIFIER_IN_USE:
      return resent ? { kind: 'received', unheard: false } : { kind: 'session-lost' };
    case UNSPECIFIED:
    case IMPLEMENTATION_SPECIFIC:
    case SERVER_BUSY:
    case RECEIVE_MAXIMUM_EXCEEDED:
    case QUOTA_EXCEEDED:
      return { kind: 'later' };
    case NOT_AUTHORISED:
      return { kind: 'forbidden' };
    case TOPIC_NAME_INVALID:
    case PACKET_TOO_LARGE:
    case PAYLOAD_FORMAT_INVALID:
      return { kind: 'dead' };
    default:
      return { kind: 'protocol-error' };
  }
}

/** PUBCOMP: success, or the broker had already forgotten the identifier, which it does only after completing it. */
export function pubcompDone(reason: number): boolean {
  return reason === 0 || reason === IDENTIFIER_NOT_FOUND;
}
