/**
 * Whether a broker takes a certificate, found out on a connection beside the agent's own and without touching any session:
 * TLS with the pair, then a CONNECT of a protocol version that does not exist. With TLS 1.3 a broker judges the client's
 * certificate only after the handshake is done for the client; whatever it answers to that CONNECT (CONNACK, or the end of
 * the connection, MQTT-3.1.2-2) comes after that judgement, and a refusal comes as an alert. No client identifier is sent:
 * on brokers that take it from the certificate a real CONNECT would throw the agent's own connection out.
 */
import type { BrokerAddress } from '../broker-url.ts';
import type { FlooredClock } from '../ports.ts';
import type { LinkEnd } from '../ports-broker.ts';
import { loadWebSocket, openBrokerSocket } from './broker-socket.ts';
import { clockWords, endOfError } from './link-end.ts';
import type { LinkCredentials } from './mqtt-link.ts';

/** Packet type 1, 12 bytes: "MQTT", version 99, Clean Start, keep alive 60 s, an empty client identifier. */
const CONNECT_OF_NO_VERSION = Buffer.from('100c00044d5154546302003c0000', 'hex');
/** A broker that has not answered so long after the handshake has at least not refused. */
const SILENCE_MS = 3000;

export interface ProbeTarget {
  readonly address: BrokerAddress;
  readonly device: string;
  readonly credentials: LinkCredentials;
  readonly clock: FlooredClock;
  /** For the handshake, milliseconds. */
  readonly timeoutMs: number;
}

/** Undefined: taken. */
export async function probeCertificate(target: ProbeTarget): Promise<LinkEnd | undefined> {
  const { address, device, credentials, clock, timeoutMs } = target;
  const library = address.transport === 'websocket' ? await loadWebSocket() : undefined;
  return new Promise((resolve) => {
    let phase: 'tls' | 'mqtt' = 'tls';
    const nothing = (): void => undefined;
    const greet = (): void => {
      stream.write(CONNECT_OF_NO_VERSION);
    };
    const secured = (): void => {
      phase = 'mqtt';
      clearTimeout(late);
      late = setTimeout(() => over(undefined), SILENCE_MS);
      if (library === undefined) greet();
    };
    const { socket, stream } = openBrokerSocket(
      address,
      { ...credentials, floorMs: clock.floorMs },
      undefined,
      { connected: nothing, secured, ticket: nothing, upgrading: nothing, upgraded: greet, upgradeRefused: nothing },
      library,
    );
    const over = (end: LinkEnd | undefined): void => {
      clearTimeout(late);
      stream.destroy();
      socket.destroy();
      resolve(end);
    };
    let late = setTimeout(() => {
      over({ word: 'network.timeout', text: `no TLS connection within ${timeoutMs} ms` });
    }, timeoutMs);
    const failed = (error: Error): void => {
      const { certificate } = credentials;
      const end = endOfError(error, {
        ...clockWords(clock),
        device,
        certificate,
        psk: false,
        password: false,
        phase,
      });
      // What is no alert comes after the judgement: the broker hangs up on the CONNECT, or knows no such WebSocket.
      over(phase === 'mqtt' && !/^(?:identity|tls)\./.test(end.word) ? undefined : end);
    };
    stream.once('data', () => over(undefined));
    socket.once('close', () => over(phase === 'mqtt' ? undefined : { word: 'network.lost', text: 'closed at once' }));
    socket.on('error', failed);
    if (stream !== socket) stream.on('error', failed);
  });
}
