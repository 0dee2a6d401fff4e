/**
 * Every bound of the agent, each with its reason. A bound that users may set lives in the configuration's schema; these
 * are the ones that follow from the design.
 */

/** One event's JSON, bytes. Fits EMQX's default maximum packet size (1 MiB) sixteen times, and the commit buffer. */
export const EVENT_BYTES_MAX = 64 * 1024;

/** Event drafts waiting for a commit. At 64 KiB each this bounds the memory that a stalled disk can take. */
export const APPENDS_WAITING_MAX = 256;

/**
 * QoS 1 publishes of ours in flight: status, sensor states, responses. MQTT 5, 4.9 counts them together with the events
 * against the broker's receive maximum (20 on Mosquitto as it comes), and events should have nearly all of it.
 */
export const QOS1_IN_FLIGHT_MAX = 2;

/**
 * Packet identifiers of our own QoS 2 layer, from 1 on: first those of events, then those of events that are sent again. A
 * replay has a range of its own, so that it never waits for a new event's identifier, nor a new event for it. What is
 * above is MQTT.js's.
 */
export const EVENT_IDENTIFIERS = 32_768;
export const REPLAY_IDENTIFIERS = 8192;
export const OWN_IDENTIFIERS = EVENT_IDENTIFIERS + REPLAY_IDENTIFIERS;

/** A command's request, bytes: a configuration patch of 64 sensors fits; beyond this it is not a command. */
export const REQUEST_BYTES_MAX = 64 * 1024;
