/**
 * Log lines on stderr: a plain sentence, then key=value. Under systemd each line starts with the journal's priority
 * (`<3>` error to `<7>` debug, sd-daemon(3)), so that `journalctl -p warning` works without any library.
 */
import type { Log, LogControl, LogFields, LogLevel, LogLine } from '../ports.ts';

const RANK: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

export interface StderrLogOptions {
  readonly level: LogLevel;
  /** True: lines start with `<priority>`; false: with the level's name. */
  readonly journal: boolean;
  readonly write: (line: string) => void;
}

interface Tap {
  readonly level: LogLevel;
  readonly take: (line: LogLine) => void;
}

export function createLog(options: StderrLogOptions): Log & LogControl {
  const taps = new Set<Tap>();
  let { level: writes } = options;
  const put = (level: LogLevel, sentence: string, fields: LogFields | undefined): void => {
    for (const tap of taps) {
      if (RANK[level] <= RANK[tap.level]) tap.take({ level, sentence, fields });
    }
    if (RANK[level] > RANK[writes]) return;
    const start = options.journal ? `<${RANK[level]}>` : `${level}: `;
    options.write(`${start}${sentence}${fields === undefined ? '' : fieldsText(fields)}\n`);
  };
  return {
    error: (sentence, fields) => put('error', sentence, fields),
    warn: (sentence, fields) => put('warn', sentence, fields),
    info: (sentence, fields) => put('info', sentence, fields),
    debug: (sentence, fields) => put('debug', sentence, fields),
    get level() {
      return writes;
    },
    setLevel: (level) => {
      writes = level;
    },
    tap: (level, take) => {
      const tap = { level, take };
      taps.add(tap);
      return { cancel: () => void taps.delete(tap) };
    },
  };
}

function fieldsText(fields: LogFields): string {
  let text = '';
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const plain = String(value).replaceAll('\n', ' ');
    text += ` ${name}=${/[\s"=]/.test(plain) || plain === '' ? JSON.stringify(plain) : plain}`;
  }
  return text;
}
