/**
 * What the process is asked for while an agent runs: to end, which stays asked for, or to run another configuration, which
 * is done once the next agent has taken what holds then.
 */
export type Wish = 'stop' | 'switch';

export class Wishes {
  #stop = false;
  #switch = false;
  #wake: () => void = () => undefined;

  wish(wish: Wish): void {
    if (wish === 'stop') this.#stop = true;
    else this.#switch = true;
    this.#wake();
  }

  /** Before a configuration is taken: what was wished for until now is in it, but for an end. */
  begin(): Wish | undefined {
    this.#switch = false;
    return this.#stop ? 'stop' : undefined;
  }

  async next(): Promise<Wish> {
    while (!this.#stop && !this.#switch) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#stop ? 'stop' : 'switch';
  }
}
