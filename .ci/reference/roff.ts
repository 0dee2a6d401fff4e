/** Words of man pages: roff's own characters in a text are escaped here, so that no text can become a request. */

/** Characters of a line of the source. */
const LINE_MAX = 78;

/** Running text. */
export function plain(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\e')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replaceAll('`', '\\(ga');
  // A dot or a quote at the start of a line would be a request.
  return escaped.replaceAll(/^(?=[.'])/gm, '\\&').replaceAll("'", '\\(aq');
}

/** What is typed or written as it stands: hyphens are minus signs, so that it can be copied. */
export function literal(text: string): string {
  return plain(text).replaceAll('-', '\\-');
}

export function bold(text: string): string {
  return `\\fB${literal(text)}\\fR`;
}

/** Text with `code` as in Markdown. */
export function prose(text: string): string {
  return text
    .split('`')
    .map((part, at) => (at % 2 === 0 ? plain(part) : bold(part)))
    .join('');
}

export interface ManualHead {
  readonly name: string;
  readonly section: 1 | 5;
  /** Such as `fieldpost 1.2.0`. */
  readonly source: string;
  /** Seconds since 1970; the page shows the day. */
  readonly epochSeconds: number;
  readonly manual: string;
}

export function heading(head: ManualHead): string {
  const day = new Date(head.epochSeconds * 1000).toISOString().slice(0, 10);
  return `.TH ${head.name.toUpperCase()} ${head.section} ${day} "${plain(head.source)}" "${plain(head.manual)}"`;
}

/** A line of a list: what it is about, then what is said of it. */
export function item(tag: string, ...said: readonly string[]): string {
  return ['.TP', tag, ...said.filter((each) => each !== '').map(folded)].join('\n');
}

/** Long lines broken at spaces, as whoever reads the source expects. */
export function folded(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < LINE_MAX) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(/^[.']/.test(word) ? `\\&${word}` : word);
  }
  return lines.join('\n');
}
