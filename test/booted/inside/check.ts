/** One check of the booted system. */
export interface Check {
  readonly name: string;
  /** Gives a detail worth telling; throws when it does not hold. */
  readonly run: () => string | Promise<string>;
  /** The machine goes down in it; `after` runs when it is up again. */
  readonly after?: () => string | Promise<string>;
}
