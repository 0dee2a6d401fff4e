/** What has to be taken down again, in the reverse order of its setting up, however the run ends. */
import { reasonOf } from '../fault.ts';

export class Undo {
  readonly #steps: (() => unknown)[] = [];

  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Runs every step, also after one that failed. Resolves with what went wrong. */
  async run(): Promise<readonly string[]> {
    const faults: string[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        faults.push(reasonOf(error));
      }
    }
    return faults;
  }
}
