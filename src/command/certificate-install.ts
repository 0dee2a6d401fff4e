/**
 * `certificate.install`: the device's new certificate, for a key that `certificate.csr` made. It is tried twice before it
 * counts: on a connection beside the present one, and then as the agent's own connection, which must be made with it and bring
 * commands in time. Only then is it installed, by one write; until that, and after any end of the process, the pair before
 * holds.
 */
import * as v from 'valibot';
import { Fault } from '../fault.ts';
import type { Clock, DevicePairs, Log, StagedPair } from '../ports.ts';
import type { LinkEnd } from '../ports-broker.ts';
import { text, time } from './answers.ts';
import { leaseTime } from './args.ts';
import { type Command, CommandFailure, defineCommand, type Document, type RunContext } from './command.ts';

const WITHIN_MAX_MS = 600_000;
const PEM_LETTERS_MAX = 32 * 1024;
const TRIED = 'a new certificate is tried';
const BACK = 'back to the certificate before';
const ENDED = 'the agent ended meanwhile: the certificate before is used';

export interface CertificateInstallOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly pairs: DevicePairs;
  /** Undefined: the broker of the present connection takes it. */
  readonly probeCertificate: (pair: StagedPair, url: string) => Promise<LinkEnd | undefined>;
  /** Of the present connection; undefined: there is none. */
  readonly url: () => string | undefined;
  /** Of the certificate that it was made with, as `digest` of a pair. */
  readonly shown: () => string | undefined;
  /** Why the newest connection ended, or did not come up. */
  readonly lastEnd: () => { readonly word: string; readonly text: string } | undefined;
  /** Ends the connection and makes a new one at once; an attempt that is under way goes on as it is. */
  readonly renew: (why: string) => void;
  /** What else is on trial; undefined: nothing. */
  readonly busy: () => string | undefined;
}

interface Waiting {
  readonly digest: string;
  readonly end: (came: boolean) => void;
}

export class CertificateInstall {
  readonly #options: CertificateInstallOptions;
  #isRunning = false;
  #isStopped = false;
  #waiting: Waiting | undefined;
  /** Of a pair that was taken back: a link may still be made with it. */
  #dropped: string | undefined;

  constructor(options: CertificateInstallOptions) {
    this.#options = options;
  }

  /** Something is on trial: no other change of the way to the broker may be begun. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** A connection came up. An attempt that was under way when the pair was tried, or taken back, was made with another one. */
  linkUp(): void {
    const { shown, renew, clock } = this.#options;
    const digest = shown();
    const isDropped = digest !== undefined && digest === this.#dropped;
    this.#dropped = undefined;
    const isWrong = this.#waiting === undefined ? isDropped : this.#waiting.digest !== digest;
    if (isWrong) clock.soon(() => renew(this.#waiting === undefined ? BACK : TRIED));
  }

  /** It brings commands: a device with a certificate that only connects would be deaf. */
  linkReady(): void {
    if (this.#waiting !== undefined && this.#waiting.digest === this.#options.shown()) this.#waiting.end(true);
  }

  /** The trial ends with its agent, and leaves the files alone: the next agent may be given the same certificate. */
  stop(): void {
    this.#isStopped = true;
    this.#waiting?.end(false);
  }

  get command(): Command {
    return defineCommand({
      name: 'certificate.install',
      changes: true,
      dangerous: true,
      summary:
        "Installs the device's new certificate: tried on a second connection, then as the connection itself; what does not come up in time is taken back.",
      args: v.strictObject({
        certificate: v.pipe(
          v.string(),
          v.maxLength(PEM_LETTERS_MAX),
          v.description("PEM: the device's certificate, then its intermediates in order."),
        ),
        within: v.optional(leaseTime(WITHIN_MAX_MS), '60s'),
      }),
      result: v.strictObject({
        subject: text('Subject of the certificate that is used now.'),
        not_before: time('Begin of its validity.'),
        not_after: time('End of its validity.'),
        sha256: text('Its fingerprint, as openssl prints it.'),
      }),
      errors: {
        'certificate.invalid':
          "It can not be this device's: the message says what was found and expected. Nothing was changed.",
        'certificate.busy': 'Another change of the way to the broker is on trial. Nothing was changed.',
        'certificate.offline': 'There is no connection to try it beside. Nothing was changed.',
        'certificate.refused': 'The broker does not take it. Nothing was changed.',
        'certificate.reverted':
          'The connection did not come up with it, or did not bring commands, in time: the one before is used again.',
        'state.disk': 'It could not be kept: the one before is used.',
      },
      run: ({ certificate, within }, context) => this.#run(certificate, within, context),
      // The one write that installs it tells how far it came.
      resume: async ({ id }) => {
        const { installed } = this.#options.pairs;
        if (installed?.command === id) return resultOf(installed.pair);
        throw new CommandFailure('certificate.reverted', ENDED);
      },
    });
  }

  async #run(pem: string, withinMs: number, context: RunContext): Promise<unknown> {
    const { clock, busy, url, probeCertificate } = this.#options;
    const other = this.#isRunning ? 'certificate.install' : busy();
    if (other !== undefined) throw new CommandFailure('certificate.busy', `${other} is under way`, 'rejected');
    const broker = url();
    if (broker === undefined) throw new CommandFailure('certificate.offline', 'no connection to a broker', 'rejected');
    this.#isRunning = true;
    try {
      const pair = this.#stage(pem);
      await context.progress({ phase: 'probe' });
      const refused = await probeCertificate(pair, broker).catch((error: unknown) => {
        this.#drop(pair);
        throw error;
      });
      if (refused !== undefined) {
        this.#drop(pair);
        throw new CommandFailure('certificate.refused', `${broker}: ${refused.word}: ${refused.text}`);
      }
      const revertAt = new Date(clock.wallMs() + withinMs).toISOString();
      await context.progress({ phase: 'probation', revert_at: revertAt });
      await this.#prove(pair, withinMs, context.id);
      return resultOf(pair);
    } finally {
      this.#isRunning = false;
    }
  }

  /** Before every step that touches the files or the connection. */
  #goOn(): void {
    if (this.#isStopped) throw new CommandFailure('certificate.reverted', ENDED);
  }

  #drop(pair: StagedPair): void {
    this.#goOn();
    this.#options.pairs.drop(pair);
  }

  #stage(pem: string): StagedPair {
    const { pairs, clock } = this.#options;
    let pair: StagedPair;
    try {
      pair = pairs.stage(pem);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'certificate.invalid') throw error;
      throw new CommandFailure(error.code, error.message, 'rejected');
    }
    // A clock that was never set says nothing of an end, and a certificate may be made for a time to come.
    if (clock.quality() === 'unknown' || Date.parse(pair.notAfter) > clock.wallMs()) return pair;
    pairs.drop(pair);
    throw new CommandFailure('certificate.invalid', `certificate: has expired on ${pair.notAfter}`, 'rejected');
  }

  /** The connection made anew with it; back to the one before when it does not come up, or can not be kept. */
  async #prove(pair: StagedPair, withinMs: number, command: string): Promise<void> {
    const { pairs, renew, lastEnd, shown, url, log } = this.#options;
    this.#goOn();
    pairs.try(pair);
    try {
      const came = this.#nextLink(pair, withinMs);
      renew(TRIED);
      const isUp = await came;
      this.#goOn();
      if (!isUp) {
        const end = lastEnd();
        const deaf =
          shown() === pair.digest && url() !== undefined ? 'its subscription is not acknowledged' : undefined;
        const why = deaf ?? (end === undefined ? 'no connection' : `${end.word}: ${end.text}`);
        throw new CommandFailure('certificate.reverted', `not connected within ${withinMs} ms (${why})`);
      }
      pairs.promote(pair, command);
      log.info('certificate installed', { subject: pair.subject, not_after: pair.notAfter });
    } catch (error) {
      this.#drop(pair);
      this.#dropped = pair.digest;
      renew(BACK);
      throw error;
    }
  }

  #nextLink({ digest }: StagedPair, withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const late = this.#options.clock.after(withinMs, () => this.#waiting?.end(false));
      const end = (came: boolean): void => {
        late.cancel();
        this.#waiting = undefined;
        resolve(came);
      };
      this.#waiting = { digest, end };
    });
  }
}

function resultOf({ subject, notBefore, notAfter, fingerprint }: StagedPair): Document {
  return { subject, not_before: notBefore, not_after: notAfter, sha256: fingerprint };
}
