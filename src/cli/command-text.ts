/** Answers of commands as a person reads them. What a device says is shown without the characters that steer a terminal. */
type Members = Readonly<Record<string, unknown>>;

const ENVELOPE: readonly string[] = ['v', 'id', 'command', 'status', 'result', 'error', 'repeated'];
const TEXT_LETTERS_MAX = 2000;

/** One response: who, what, how it stands, and what it brings. */
export function responseText(device: string, response: Members): string {
  const { command, status, result, error, repeated } = response;
  const { code, message } = (error ?? {}) as Members;
  const again = repeated === true ? ' (known from before)' : '';
  const why = error === undefined ? '' : `: ${plain(code)}: ${plain(message)}`;
  const others = Object.entries(response).filter(([key]) => !ENVELOPE.includes(key));
  const more = [...others, ...(result === undefined ? [] : membersOf(result))];
  return `${device} ${plain(command)} ${plain(status)}${again}${why}\n${more.map(([key, value]) => memberText(key, value, 1)).join('')}`;
}

function membersOf(result: unknown): readonly (readonly [string, unknown])[] {
  return isMembers(result) ? Object.entries(result) : [['result', result]];
}

function memberText(key: string, value: unknown, depth: number): string {
  const start = `${'  '.repeat(depth)}${plain(key)}:`;
  if (isMembers(value)) {
    const within = Object.entries(value).map(([name, each]) => memberText(name, each, depth + 1));
    return within.length === 0 ? `${start} none\n` : `${start}\n${within.join('')}`;
  }
  if (typeof value === 'string' && value.trimEnd().includes('\n')) return `${start}\n${blockText(value, depth + 1)}`;
  if (!Array.isArray(value)) return `${start} ${plain(value)}\n`;
  if (value.length === 0) return `${start} none\n`;
  // A list is told one item a line: short objects and rows stay whole.
  return `${start}\n${value.map((item) => `${'  '.repeat(depth + 1)}- ${plain(item)}\n`).join('')}`;
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A text of several lines, as a certificate is. Indented, so that no line of it looks like one of ours. */
function blockText(text: string, depth: number): string {
  const lines = text.slice(0, TEXT_LETTERS_MAX).trimEnd().split(/\r?\n/);
  return lines.map((line) => `${'  '.repeat(depth)}${plain(line)}\n`).join('');
}

/** Escape sequences could rewrite what stands on the screen. */
function plain(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'none');
  return text.slice(0, TEXT_LETTERS_MAX).replaceAll(/\p{Cc}/gu, '\ufffd');
}
