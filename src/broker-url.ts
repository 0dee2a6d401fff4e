/**
 * The URL of a broker: MQTT straight over TCP, or inside a WebSocket, each plain or over TLS. One grammar for device.json,
 * the link and the doctor. Arithmetic on text.
 */

export interface BrokerAddress {
  readonly transport: 'tcp' | 'websocket';
  /** Over TLS. */
  readonly isSecure: boolean;
  /** An IPv6 address stands without its brackets. */
  readonly host: string;
  readonly port: number;
  /** Of the WebSocket; empty over TCP. */
  readonly path: string;
}

export const BROKER_URL_EXPECTED =
  'mqtts://host:port or wss://host:port/path, or plain mqtt://host:port or ws://host:port/path, without user or password';

/** A host name, an IPv4 address, or an IPv6 address in brackets. */
const HOST = '(?:[A-Za-z0-9][A-Za-z0-9._-]{0,252}|\\[[0-9A-Fa-f:.]{2,45}\\])(?::[0-9]{1,5})?';
/** Without a query: what stands there is a secret most often, and a URL is shown everywhere. */
const PATH = "(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,500})?";
export const BROKER_URL_PATTERN = new RegExp(`^(?:mqtts?://${HOST}|wss?://${HOST}${PATH})$`);

const PARTS = /^(mqtts?|wss?):\/\/(\[[^\]]*\]|[^:/]*)(?::([0-9]+))?(\/.*)?$/;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 };
/** Where EMQX, HiveMQ and AWS have it; Mosquitto takes any. */
const DEFAULT_PATH = '/mqtt';

/** Undefined: it is none. */
export function parseBrokerUrl(url: string): BrokerAddress | undefined {
  const [, scheme = '', host = '', digits, path] = (BROKER_URL_PATTERN.test(url) ? PARTS.exec(url) : null) ?? [];
  const defaultPort = DEFAULT_PORTS[scheme];
  if (defaultPort === undefined) return undefined;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (port < 1 || port > 65_535) return undefined;
  const isWebSocket = scheme === 'ws' || scheme === 'wss';
  // The WebSocket library reads the URL once more, and knows numbers that are no address.
  if (isWebSocket && !URL.canParse(url)) return undefined;
  return {
    transport: isWebSocket ? 'websocket' : 'tcp',
    isSecure: scheme === 'mqtts' || scheme === 'wss',
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port,
    path: isWebSocket ? (path ?? DEFAULT_PATH) : '',
  };
}
