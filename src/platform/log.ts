/**
 * Log lines on stderr: a plain sentence, then key=value. Under systemd each line starts with the journal's priority
 * (`<3>` error to `<7>` debug, sd-daemon(3)), so that `journalctl -p warning` works without any library.
 */
import type { Log, LogFields } from '../ports.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

const RANK: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

export interface StderrLogOptions {
  readonly level: LogLevel;
  /** True: lines start with `<priority>`; false: with the level's name. */
  readonly journal: boolean;
  readonly write: (line: string) => void;
}

export function createLog(options: StderrLogOptions): Log {
  const put = (level: LogLevel, sentence: string, fields: LogFields | undefined): void => {
    if (RANK[level] > RANK[options.level]) return;
    const start = options.journal ? `<${RANK[level]}>` : `${level}: `;
    options.write(`${start}${sentence}${fields === undefined ? '' : fieldsText(fields)}\n`);
  };
  return {
    error: (sentence, fields) => put('error', sentence, fields),
    warn: (sentence, fields) => put('warn', sentence, fields),
    info: (sentence, fields) => put('info', sentence, fields),
    debug: (sentence, fields) => put('debug', sentence, fields),
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
