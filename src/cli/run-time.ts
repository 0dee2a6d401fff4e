/** How long a sub-command runs: to Ctrl-C (SIGINT) or SIGTERM, to its time, or until it has had enough. */

/** What `--seconds` may be: a timer of Node's counts 24 days and no more. */
export const SECONDS = { low: 0.1, high: 24 * 86_400 };

export interface RunTime {
  /** Resolves at the end, whatever brought it. */
  readonly ended: Promise<void>;
  /** Aborts at the end. */
  readonly stop: AbortSignal;
  /** Enough. */
  end(): void;
}

export function startRunTime(seconds: number | undefined): RunTime {
  const stop = new AbortController();
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    // Without a time too: a promise alone keeps no process alive.
    const timer =
      seconds === undefined ? setInterval(() => undefined, 60_000) : setTimeout(() => end(), seconds * 1000);
    end = () => {
      clearTimeout(timer);
      process.off('SIGINT', end).off('SIGTERM', end);
      stop.abort();
      resolve();
    };
    process.on('SIGINT', end).on('SIGTERM', end);
  });
  return { ended, stop: stop.signal, end: () => end() };
}
