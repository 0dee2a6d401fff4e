/**
 * A broker inside this process, for trying fieldpost where no Mosquitto is at hand: aedes behind mutual TLS, with the
 * access rules of DESIGN section 3. MQTT 3.1.1 only (aedes has no MQTT 5), everything in memory: a restart forgets all.
 * Not for production, and never loaded by the service.
 */
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { Aedes, type AuthenticateError, type Client, type Connection } from 'aedes';
import { type AccessRules, mayPublish, maySubscribe } from './access-rules.ts';

const HANDSHAKE_MS = 10_000;

export interface DemoBrokerOptions {
  readonly rules: AccessRules;
  /** PEM texts. Only clients whose certificate this CA signed get in. */
  readonly ca: string | Buffer;
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

export class DemoBroker {
  readonly #options: DemoBrokerOptions;
  readonly #sockets = new Set<TLSSocket>();
  /** Kept from the handshake: a will is authorised when its socket is gone, and with it the certificate. */
  readonly #names = new WeakMap<Connection, string>();
  readonly #refusals: string[] = [];
  #port = 0;
  #server: Server | undefined;
  #aedes: Aedes | undefined;

  constructor(options: DemoBrokerOptions) {
    this.#options = options;
  }

  get port(): number {
    const address = this.#server?.address();
    if (address === null || address === undefined || typeof address === 'string') throw new Error('not started');
    return address.port;
  }

  /** What was refused to whom, for the one who looks why nothing arrives. */
  get refusals(): readonly string[] {
    return this.#refusals;
  }

  async start(): Promise<void> {
    const aedes = await this.#makeAedes();
    this.#aedes = aedes;
    aedes.on('clientError', (client, error) => this.#refuse(`${client.id}: ${error.message}`));
    aedes.on('connectionError', (_client, error) => this.#refuse(`a connection: ${error.message}`));
    const { ca, cert, key } = this.#options;
    const terms = { ca, cert, key, requestCert: true, rejectUnauthorized: true, handshakeTimeout: HANDSHAKE_MS };
    const server = createServer({ ...terms, minVersion: 'TLSv1.2', noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
      const name = nameOf(socket);
      if (name !== undefined) this.#names.set(socket, name);
      aedes.handle(socket);
    });
    server.on('tlsClientError', (error) => this.#refuse(`TLS: ${error.message}`));
    this.#server = server;
    await new Promise<void>((done, fail) => {
      server.once('error', fail);
      server.listen(this.#port, '127.0.0.1', done);
    });
    this.#port = this.port;
  }

  /** As SIGKILL to a broker without persistence: every connection ends, everything is forgotten, the port stays. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    const aedes = this.#aedes;
    const server = this.#server;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== undefined) await new Promise<void>((done) => server.close(() => done()));
    if (aedes !== undefined) await new Promise<void>((done) => aedes.close(() => done()));
  }

  #makeAedes(): Promise<Aedes> {
    const { rules } = this.#options;
    return Aedes.createBroker({
      authenticate: (client, _username, _password, done) => {
        const name = this.#names.get(client.conn);
        if (name !== undefined) return done(null, true);
        this.#refuse(`${client.id}: a certificate without a common name`);
        done(notAuthorized(), null);
      },
      authorizePublish: (client, packet, done) => {
        const name = client === null ? undefined : this.#names.get(client.conn);
        if (name !== undefined && mayPublish(rules, name, packet.topic)) return done(null);
        this.#refuse(`${name ?? 'nobody'} may not write ${packet.topic}`);
        // MQTT 3.1.1 can not say no to a PUBLISH: the connection ends, which is at least seen.
        done(new Error('not authorised'));
      },
      authorizeSubscribe: (client: Client, subscription, done) => {
        const name = this.#names.get(client.conn);
        if (name !== undefined && maySubscribe(rules, name, subscription.topic)) return done(null, subscription);
        this.#refuse(`${name ?? 'nobody'} may not read ${subscription.topic}`);
        done(null, null);
      },
    });
  }

  #refuse(text: string): void {
    if (this.#refusals.length < 100) this.#refusals.push(text);
  }
}

/** The common name of the certificate that this connection proved. */
function nameOf(socket: TLSSocket): string | undefined {
  const name: unknown = socket.getPeerCertificate().subject?.CN;
  return typeof name === 'string' && name !== '' ? name : undefined;
}

function notAuthorized(): AuthenticateError {
  return Object.assign(new Error('not authorised'), { returnCode: 5 });
}
