/** The configuration as commands and the log show it: what runs, device.json, what was put over it; secrets struck out. */
import type { Log } from '../ports.ts';
import { redacted } from '../redacted.ts';
import type { BaseFile } from './judge.ts';
import type { Table } from './merge-patch.ts';
import type { Running } from './resolver.ts';
import type { Entry } from './trial.ts';

type Document = Readonly<Record<string, unknown>>;

export function describe(running: Running, report: Document, { value, config }: BaseFile, overlay: Table): Document {
  const { allow, pin } = config.remote;
  return {
    ...report,
    revision: running.revision,
    hash: running.hash,
    effective: redacted(running.value),
    base: redacted(value),
    overlay: redacted(overlay),
    allow,
    pin,
  };
}

export function withoutToken(entry: Entry): Omit<Entry, 'token'> {
  const { token: _, ...told } = entry;
  return told;
}

/** Whoever edited device.json looks into the log for what came of it. */
export function tellReadAgain(log: Log, isSame: boolean, { revision, shadowed }: Running): void {
  log.info(isSame ? 'device.json read again: nothing to change' : 'device.json read again: it is run now');
  if (shadowed.length === 0) return;
  log.warn('device.json: a remote change holds where it was edited', { revision, shadowed: shadowed.join(' ') });
}
