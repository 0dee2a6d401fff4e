/**
 * The way to a broker below MQTT: TCP or TLS, and on top of it a WebSocket where the URL says so. What comes out is one
 * stream of MQTT's bytes, whatever is below. Sockets are always opened here, also those of a WebSocket, so that TLS is
 * asked for in one way only.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type * as ws from 'ws';
import type { BrokerAddress } from '../broker-url.ts';
import { tlsOptions, type TlsTerms } from './tls-options.ts';

/** Bytes of one message of the WebSocket, which may hold several packets: many times what a broker has for us. */
const MESSAGE_BYTES_MAX = 1024 * 1024;
/** MQTT 5, 6.0: the name of the subprotocol. */
const SUBPROTOCOL = 'mqtt';

export interface BrokerSocket {
  /** The TCP or TLS socket below. */
  readonly socket: Socket;
  /** MQTT's bytes. */
  readonly stream: Duplex;
}

/** How the opening goes on. */
export interface OpeningListener {
  /** TCP is there, and the handshake of TLS begins. */
  readonly connected: () => void;
  /** TLS is there; on a plain connection it is never told. */
  readonly secured: (socket: TLSSocket) => void;
  /** A ticket to resume the TLS session with. */
  readonly ticket: (ticket: Buffer, socket: TLSSocket) => void;
  /** TCP or TLS is there, and the WebSocket is asked for. */
  readonly upgrading: () => void;
  /** MQTT may begin over the WebSocket. */
  readonly upgraded: () => void;
  /** What answers is no WebSocket; the stream fails next. `status`: of HTTP. */
  readonly upgradeRefused: (status: number) => void;
}

export type WebSocketLibrary = typeof ws;

/** A file of its own that most devices never load. */
export async function loadWebSocket(): Promise<WebSocketLibrary> {
  return import('ws');
}

/** `library` where `address` is a WebSocket's. */
export function openBrokerSocket(
  address: BrokerAddress,
  credentials: TlsTerms,
  session: Buffer | undefined,
  listener: OpeningListener,
  library: WebSocketLibrary | undefined,
): BrokerSocket {
  const socket = openSocket(address, credentials, session, listener);
  socket.setNoDelay(true);
  return { socket, stream: library === undefined ? socket : webSocketOn(socket, address, listener, library) };
}

function openSocket(
  address: BrokerAddress,
  credentials: TlsTerms,
  session: Buffer | undefined,
  listener: OpeningListener,
): Socket {
  const { host, port, isSecure } = address;
  if (!isSecure) return connectTcp({ host, port });
  const socket = connectTls({ ...tlsOptions(address, credentials), ...(session === undefined ? {} : { session }) });
  socket.once('connect', listener.connected);
  socket.once('secureConnect', () => listener.secured(socket));
  socket.on('session', (ticket) => listener.ticket(ticket, socket));
  return socket;
}

function webSocketOn(
  socket: Socket,
  { isSecure, host, port, path }: BrokerAddress,
  listener: OpeningListener,
  { WebSocket, createWebSocketStream }: WebSocketLibrary,
): Duplex {
  const name = host.includes(':') ? `[${host}]` : host;
  const webSocket = new WebSocket(`${isSecure ? 'wss' : 'ws'}://${name}:${port}${path}`, [SUBPROTOCOL], {
    // Not before the handshake is done: what is written earlier hides the code of an alert (see tap.ts).
    createConnection: (_options: unknown, done: (error: Error | null, opened?: Socket) => void) => {
      const failed = (error: Error): void => done(error);
      socket.once('error', failed);
      socket.once(isSecure ? 'secureConnect' : 'connect', () => {
        socket.off('error', failed);
        listener.upgrading();
        done(null, socket);
      });
      return undefined;
    },
    followRedirects: false,
    // Saves little on JSON of some hundred bytes, and costs memory for each connection.
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
  } as object);
  webSocket.once('open', listener.upgraded);
  webSocket.once('unexpected-response', (_request, { statusCode = 0 }) => {
    listener.upgradeRefused(statusCode);
    webSocket.terminate();
  });
  return createWebSocketStream(webSocket);
}
