/** The local status as one sentence, for `systemctl status fieldpost`. Pure. It changes only when something does that matters. */

/** Words of what is degraded that are told; the rest is counted. */
const WORDS_MAX = 6;

export interface SentenceParts {
  /** Of the broker; undefined: not connected. */
  readonly url: string | undefined;
  /** Why the last connection ended or the last attempt failed: a stable word. */
  readonly lastEnd: { readonly word: string } | undefined;
  readonly degraded: readonly string[];
  /** Names of what does not get on. */
  readonly stuck: readonly string[];
}

export function statusSentence({ url, lastEnd, degraded, stuck }: SentenceParts): string {
  const parts: string[] = [];
  if (stuck.length > 0) parts.push(`no progress: ${stuck.join(', ')}`);
  if (url !== undefined) parts.push(`connected to ${url}`);
  else parts.push(`not connected${lastEnd === undefined ? '' : ` (${lastEnd.word})`}, events wait in the ledger`);
  if (degraded.length > 0) parts.push(`degraded: ${shortened(degraded)}`);
  else if (url !== undefined && stuck.length === 0) parts.push('all is well');
  return parts.join('; ');
}

function shortened(words: readonly string[]): string {
  const told = words.slice(0, WORDS_MAX).join(', ');
  return words.length > WORDS_MAX ? `${told} and ${words.length - WORDS_MAX} more` : told;
}
