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

/** A command's request, bytes: a configuration patch of 64 sensors fits; beyond this it is not a command. */
export const REQUEST_BYTES_MAX = 64 * 1024;
