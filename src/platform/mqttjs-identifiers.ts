/** MQTT.js's packet identifiers, kept out of the range of our own layer. */
import { OWN_IDENTIFIERS } from '../limits.ts';

/** Up to the one before, they are our own layer's. */
const FIRST_MQTTJS_IDENTIFIER = OWN_IDENTIFIERS + 1;
const LAST_IDENTIFIER = 65_535;

export class MqttjsIdentifiers {
  #last = LAST_IDENTIFIER;

  allocate(): number {
    this.#last = this.#last === LAST_IDENTIFIER ? FIRST_MQTTJS_IDENTIFIER : this.#last + 1;
    return this.#last;
  }

  getLastAllocated(): number {
    return this.#last;
  }

  register(): boolean {
    return true;
  }

  deallocate(): void {}

  clear(): void {}
}
