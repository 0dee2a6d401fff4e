/** What devices have answered to one request, and how it ended at each of them. */
type Document = Readonly<Record<string, unknown>>;

const FINAL: readonly unknown[] = ['succeeded', 'failed', 'rejected', 'expired', 'in_doubt'];

/** The newest answer of each device. */
export class Answers {
  readonly #last = new Map<string, Document>();
  result: unknown;

  /** True: that is how it ended. What comes after the end, told twice, changes nothing. */
  take(device: string, response: Document): boolean {
    const known = this.#last.get(device);
    if (known === undefined || !isFinal(known)) this.#last.set(device, { ...known, ...response });
    this.result = response['result'];
    return isFinal(response);
  }

  get isSilent(): boolean {
    return this.#last.size === 0;
  }

  get open(): readonly (readonly [string, Document])[] {
    return [...this.#last].filter(([, response]) => !isFinal(response));
  }

  get isGood(): boolean {
    return [...this.#last.values()].every(({ status }) => status === 'succeeded');
  }
}

function isFinal({ status }: Document): boolean {
  return FINAL.includes(status);
}
