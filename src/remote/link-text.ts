/** What became of the connection during a trial: whoever reads why a change was taken back looks for the fault there first. */

export interface TrialLink {
  /** Undefined: no link now. */
  readonly url: string | undefined;
  readonly connects: number;
  /** Why the last link ended, or the last attempt failed. */
  readonly lastEnd: { readonly word: string; readonly text: string } | undefined;
}

/** It is kept with the history; a broker may give long reasons. */
const TEXT_MAX = 200;

export function linkText({ url, connects, lastEnd }: TrialLink): string {
  if (url !== undefined) return `it was connected to ${url}, and no config.confirm with its token came`;
  if (lastEnd === undefined) return 'it had no connection, and no attempt had ended';
  const why = `${lastEnd.word}: ${lastEnd.text.slice(0, TEXT_MAX)}`;
  return connects > 0 ? `its connection was lost (${why})` : `no connection (${why})`;
}
