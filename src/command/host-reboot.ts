/**
 * `host.reboot`: asks the machine for a reboot, and says how it ended once the machine is up again, by comparing boot ids.
 * The request lies in memory and is taken away by root before it acts, so it can not be found again after the boot; the
 * order is on disk before it is made, and is never made a second time.
 */
import * as v from 'valibot';
import { reasonOf } from '../fault.ts';
import type { Boot, Clock, Log, RebootRequest, StateDocument, StateStore } from '../ports.ts';
import { count, text } from './answers.ts';
import { refuseWithoutStart, START_ERRORS, type StartFault } from './agent-restart.ts';
import { type Command, CommandFailure, defineCommand, type RunContext } from './command.ts';

/** As the unit has it: a device that reboots in a loop can not be reached to be mended. */
const UPTIME_MS_MIN = 300_000;
/** Time for root to take the request; a path unit does so at once. */
const TAKEN_MS = 15_000;
const TAKEN_LOOK_MS = 200;
/** Time for the machine to go down from then on. Stopping services may take systemd's 90 s. */
const DOWN_MS = 90_000;
/** A broker that does not acknowledge keeps no device from its reboot. */
const TELL_MS = 10_000;

const documentSchema = v.object({ id: v.string(), boot: v.string() });
/** The newest order; empty before the first. */
type Order = v.InferOutput<typeof documentSchema>;

export interface HostRebootOptions {
  readonly clock: Clock;
  readonly boot: Boot;
  readonly log: Log;
  readonly state: StateStore;
  /** Undefined: there is no way to ask on this machine. */
  readonly reboot: RebootRequest | undefined;
  readonly startFault: StartFault;
  /** Why not now; undefined: nothing is in the way. */
  readonly busy?: () => string | undefined;
}

export class HostReboot {
  readonly #options: HostRebootOptions;
  #order: StateDocument<Order> | undefined;
  #underway = false;

  constructor(options: HostRebootOptions) {
    this.#options = options;
  }

  /** A stop that comes now is a part of the reboot. */
  get underway(): boolean {
    return this.#underway;
  }

  /** Before an order that a restart cut off is asked about. */
  async open(): Promise<void> {
    const parse = (found: unknown): Order | undefined => {
      const parsed = v.safeParse(documentSchema, found);
      return parsed.success ? parsed.output : undefined;
    };
    this.#order = await this.#options.state.open('reboot', parse, { id: '', boot: '' });
  }

  get command(): Command {
    return defineCommand({
      name: 'host.reboot',
      changes: true,
      dangerous: true,
      summary: 'Reboots the machine; the final answer comes when it is up again.',
      args: v.strictObject({}),
      result: v.strictObject({
        boot: text('Boot id of the machine now.'),
        boot_before: text('Boot id before the reboot.'),
        uptime_ms: count('Milliseconds since the machine started.'),
      }),
      errors: {
        'host.no-reboot-unit': 'Nothing on this machine takes the request: fieldpost-reboot.path is not enabled.',
        'host.busy': 'Something that a reboot would break off is under way, or a reboot already is.',
        'host.too-soon': 'The machine started less than five minutes ago.',
        ...START_ERRORS,
        'host.not-rebooted': 'The request was made, and the machine is still up; or nobody can say that it was made.',
        'state.disk': 'The order could not be written down; no reboot was asked for.',
      },
      run: (_args, context) => this.#run(context),
      resume: (context) => this.#resume(context),
    });
  }

  async #run(context: RunContext): Promise<unknown> {
    const { boot, reboot, busy } = this.#options;
    if (reboot === undefined) throw rejected('host.no-reboot-unit', 'the agent does not run as the service');
    const reason = this.#underway ? 'a reboot is under way' : busy?.();
    if (reason !== undefined) throw rejected('host.busy', reason);
    if (boot.uptimeMs() < UPTIME_MS_MIN) {
      throw rejected('host.too-soon', `the machine is up for ${Math.floor(boot.uptimeMs() / 1000)} s only`);
    }
    this.#underway = true;
    try {
      await refuseWithoutStart(this.#options.startFault, 'machine');
      await this.#order?.write({ id: context.id, boot: boot.id });
      await Promise.race([context.progress({ phase: 'rebooting', boot: boot.id }), this.#after(TELL_MS)]);
      reboot.make(context.id);
      await this.#taken(reboot);
      await this.#after(DOWN_MS);
      throw new CommandFailure('host.not-rebooted', `the machine is still up after ${DOWN_MS / 1000} s`);
    } finally {
      this.#underway = false;
    }
  }

  async #taken(reboot: RebootRequest): Promise<void> {
    const { clock, log } = this.#options;
    const untilMs = clock.monotonicMs() + TAKEN_MS;
    while (reboot.isThere()) {
      if (clock.monotonicMs() >= untilMs) {
        reboot.withdraw();
        throw new CommandFailure('host.no-reboot-unit', 'nobody took the request: is fieldpost-reboot.path enabled?');
      }
      await this.#after(TAKEN_LOOK_MS);
    }
    log.info('the machine reboots by command');
  }

  /** Of this order alone is known whether the machine was rebooted since. */
  #resume({ id }: RunContext): Promise<unknown> | undefined {
    const { boot } = this.#options;
    const { id: ordered, boot: before } = this.#order?.value ?? { id: '', boot: '' };
    if (ordered !== id) return undefined;
    if (before !== boot.id) {
      return Promise.resolve({ boot: boot.id, boot_before: before, uptime_ms: Math.round(boot.uptimeMs()) });
    }
    return this.#stillUp();
  }

  /** The agent was restarted in the same boot: the machine may be about to go down, or the request was never made. */
  async #stillUp(): Promise<never> {
    const { reboot, log } = this.#options;
    try {
      reboot?.withdraw();
    } catch (error) {
      log.warn('a request for a reboot could not be withdrawn', { reason: reasonOf(error) });
    }
    this.#underway = true;
    await this.#after(DOWN_MS);
    this.#underway = false;
    throw new CommandFailure('host.not-rebooted', 'the agent was ended meanwhile, and the machine is still up');
  }

  #after(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.after(ms, resolve);
    });
  }
}

function rejected(code: string, message: string): CommandFailure {
  return new CommandFailure(code, message, 'rejected');
}
