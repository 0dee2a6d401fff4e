/**
 * Requests whose end the operator has not seen, kept in the user's own state directory from before they leave until the final
 * answer is there. The same bytes under the same id may be sent again: a device tells what became of them and runs nothing
 * twice. Bounded; nobody else may read them.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Fault, reasonOf } from '../fault.ts';

export interface KeptRequest {
  readonly command: string;
  readonly device: string;
  readonly prefix: string;
  /** Of MQTT 5, base64: what was begun is answered with the first one. */
  readonly correlation: string;
  /** As it was published. */
  readonly payload: string;
}

const MEMBERS: readonly (keyof KeptRequest)[] = ['command', 'device', 'prefix', 'correlation', 'payload'];
/** Those that nobody answered stay behind; the newest of them. */
const KEPT_MAX = 100;

export class KeptRequests {
  readonly #environment: Readonly<Record<string, string | undefined>>;

  constructor(environment: Readonly<Record<string, string | undefined>>) {
    this.#environment = environment;
  }

  /** Throws for a user without a home, as in some containers. */
  get #directory(): string {
    const { XDG_STATE_HOME: home } = this.#environment;
    const base = home?.startsWith('/') === true ? home : join(homedir(), '.local/state');
    return join(base, 'fieldpost/requests');
  }

  /** False: it could not be kept. Ids are ULIDs, so their names are in the order of time. */
  keep(id: string, request: KeptRequest): boolean {
    try {
      const directory = this.#directory;
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const names = readdirSync(directory).sort();
      for (const name of names.slice(0, Math.max(0, names.length + 1 - KEPT_MAX))) this.#remove(name);
      writeFileSync(this.#path(id), JSON.stringify(request), { mode: 0o600, flush: true });
      return true;
    } catch {
      // Without a home or a disk the command itself can be asked all the same.
      return false;
    }
  }

  /** Throws Fault `usage` where there is none. */
  find(id: string): KeptRequest {
    try {
      const found = JSON.parse(readFileSync(this.#path(id), 'utf8')) as KeptRequest;
      if (MEMBERS.every((name) => typeof found[name] === 'string')) return found;
      throw new Error('its file is not as it was written');
    } catch (error) {
      throw new Fault('usage', `--id ${id}: there is no open request of that id: ${reasonOf(error)}`);
    }
  }

  forget(id: string): void {
    this.#remove(`${id}.json`);
  }

  #path(id: string): string {
    return join(this.#directory, `${id}.json`);
  }

  #remove(name: string): void {
    try {
      rmSync(join(this.#directory, name), { force: true });
    } catch {
      // Asked again, a device says once more how it ended.
    }
  }
}
