/**
 * Where MQTT.js keeps messages that came at QoS 2 until the broker releases them. Nothing is subscribed to at QoS 2, so a
 * sound broker sends none; over MQTT 3.1.1 nothing bounds how many another one leaves open, 65,535 of 256 KiB each. The
 * first few are kept; what comes beyond them is acknowledged like these and dropped.
 */
import { Store } from 'mqtt';

/** Twice what brokers have in flight by default. */
export const INBOUND_KEPT_MAX = 64;

export class InboundStore extends Store {
  readonly #kept = new Set<number | undefined>();

  constructor() {
    // Its content is asked for after the end, too: see mqtt-link.ts.
    super({ clean: false });
  }

  override put(...[packet, done]: Parameters<Store['put']>): this {
    if (this.#kept.size < INBOUND_KEPT_MAX || this.#kept.has(packet.messageId)) {
      this.#kept.add(packet.messageId);
      return super.put(packet, done);
    }
    done?.();
    return this;
  }

  override del(...[packet, done]: Parameters<Store['del']>): this {
    this.#kept.delete(packet.messageId);
    return super.del(packet, done);
  }
}
