/**
 * Whether a link could come up: name, TCP, TLS with the files as they are now, and the WebSocket, without CONNECT. So a link
 * that works need not be given up to find out. What the broker's MQTT would say stays open.
 */
import type { TLSSocket } from 'node:tls';
import type { LinkEnd } from '../ports-broker.ts';
import type { FlooredClock } from '../ports.ts';
import { parseBrokerUrl } from '../broker-url.ts';
import { loadWebSocket, openBrokerSocket } from './broker-socket.ts';
import { clockWords, type EndContext, endOfError, endOfUpgrade } from './link-end.ts';
import type { LinkCredentials } from './mqtt-link.ts';

/** With TLS 1.3 a broker judges our certificate after its own part is done, and may say so without a ticket, milliseconds. */
const VERDICT_MS = 1000;
export const GIVEN_UP: LinkEnd = { word: 'own.ended', text: 'given up by this side' };

interface ProbeTarget {
  readonly url: string;
  readonly device: string;
  readonly timeoutMs: number;
  /** Gives it up. */
  readonly signal?: AbortSignal | undefined;
}

/** Undefined: it could. */
export async function probeLink(
  { url, device, timeoutMs, signal }: ProbeTarget,
  credentials: LinkCredentials,
  clock: FlooredClock,
): Promise<LinkEnd | undefined> {
  const address = parseBrokerUrl(url);
  if (address === undefined) return { word: 'network.name', text: `${url}: no URL of a broker` };
  const library = address.transport === 'websocket' ? await loadWebSocket() : undefined;
  return new Promise((settle) => {
    let phase: EndContext['phase'] = 'tcp';
    const giveUp = (): void => done(GIVEN_UP);
    const done = (end: LinkEnd | undefined): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      settle(end);
      opened.socket.destroy();
    };
    const secured = (socket: TLSSocket): void => {
      phase = 'mqtt';
      if (library !== undefined) return;
      if (socket.getProtocol() !== 'TLSv1.3') return done(undefined);
      clearTimeout(timer);
      timer = setTimeout(() => done(undefined), VERDICT_MS);
    };
    const opened = openBrokerSocket(
      address,
      { ...credentials, floorMs: clock.floorMs },
      undefined,
      {
        connected: () => {
          phase = 'tls';
        },
        secured,
        // It comes once our certificate is taken.
        ticket: () => library === undefined && done(undefined),
        upgrading: () => {
          phase = 'websocket';
        },
        upgraded: () => done(undefined),
        upgradeRefused: (status) => done(endOfUpgrade(status)),
      },
      library,
    );
    // Not before: OpenSSL may throw there at a key or certificate that it takes no such of, and then nothing is to be ended.
    let timer = setTimeout(
      () => done({ word: 'network.timeout', text: 'no answer within the time allowed' }),
      timeoutMs,
    );
    const { certificate, password, psk } = credentials;
    const failed = (error: unknown): void => {
      done(
        endOfError(error, {
          ...clockWords(clock),
          device,
          certificate,
          password: password !== undefined,
          psk: psk !== undefined,
          phase,
        }),
      );
    };
    opened.stream.on('error', failed);
    // A WebSocket's stream hears of an error of its socket only once it has it.
    opened.socket.on('error', failed);
    opened.socket.once('close', () => done({ word: 'network.lost', text: 'the connection was closed' }));
    if (!address.isSecure && library === undefined) opened.socket.once('connect', () => done(undefined));
    opened.stream.resume();
    if (signal?.aborted === true) giveUp();
    signal?.addEventListener('abort', giveUp, { once: true });
  });
}
