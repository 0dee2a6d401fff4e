/**
 * Reads what `strace -f -xx -s ...` logged of one process into the calls that matter to its files. A call that strace saw
 * begin and end on two lines counts twice: as not yet returned where it began, and as returned where it ended.
 */
export const SECTOR_BYTES = 512;

export type Syscall =
  | {
      readonly kind: 'open';
      readonly fd: number;
      readonly name: string;
      readonly creates: boolean;
      readonly truncates: boolean;
      readonly durable: boolean;
    }
  | {
      readonly kind: 'write';
      readonly fd: number;
      readonly bytes: Buffer;
      readonly at: number;
      readonly returned: boolean;
    }
  | { readonly kind: 'sync'; readonly fd: number }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'link'; readonly from: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly name: string }
  | { readonly kind: 'say'; readonly text: string };

export const STRACE_OPTIONS = [
  '-f',
  '-qq',
  '-xx',
  '-s',
  '300000',
  '-e',
  'trace=openat,pwrite64,write,fsync,fdatasync,rename,link,unlink',
  '-e',
  'signal=none',
];

/**
 * `directory`: only files directly in it count, by their plain names. `said`: writes that begin like this are what the
 * process says, to whatever it says it; default: what goes to its standard output.
 */
export function parseStraceLog(log: string, directory: string, said?: RegExp): Syscall[] {
  const begun = new Map<string, string>();
  return log.split('\n').flatMap((line) => {
    const [, thread = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (text.endsWith('<unfinished ...>')) {
      const start = text.slice(0, -'<unfinished ...>'.length);
      begun.set(thread, start);
      const early = callOf(`${start}) = 0`, directory, said);
      return early?.kind === 'write' ? [{ ...early, returned: false }] : [];
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text)?.[1];
    const whole = resumed === undefined ? text : `${begun.get(thread) ?? ''}${resumed}`;
    const call = callOf(whole, directory, said);
    return call === undefined ? [] : [call];
  });
}

function callOf(text: string, directory: string, said: RegExp | undefined): Syscall | undefined {
  const [, name = '', rest = '', result = ''] = /^(\w+)\((.*)\) += (-?\d+)/.exec(text) ?? [];
  if (name === '' || result.startsWith('-')) return undefined;
  const strings = [...rest.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map((match) => unescape(match[1] ?? ''));
  const plain = (at: number): string | undefined => {
    const path = strings[at]?.toString() ?? '';
    return path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : undefined;
  };
  const fd = Number.parseInt(rest, 10);
  if (name === 'fsync' || name === 'fdatasync') return { kind: 'sync', fd };
  if (name === 'write') {
    const spoken = strings[0]?.toString('latin1') ?? '';
    return (said === undefined ? fd === 1 : said.test(spoken)) ? { kind: 'say', text: spoken } : undefined;
  }
  if (name === 'pwrite64') {
    const at = Number(/, (\d+)$/.exec(rest.trimEnd())?.[1] ?? 0);
    return { kind: 'write', fd, bytes: strings[0] ?? Buffer.alloc(0), at, returned: true };
  }
  const [first, second] = [plain(0), plain(1)];
  if (first === undefined) return undefined;
  if (name === 'unlink') return { kind: 'unlink', name: first };
  if ((name === 'rename' || name === 'link') && second !== undefined) return { kind: name, from: first, to: second };
  if (name !== 'openat') return undefined;
  const has = (flag: string): boolean => rest.includes(flag);
  const flags = { creates: has('O_CREAT'), truncates: has('O_TRUNC'), durable: has('O_DSYNC') };
  return { kind: 'open', fd: Number(result), name: first, ...flags };
}

function unescape(text: string): Buffer {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex');
}
