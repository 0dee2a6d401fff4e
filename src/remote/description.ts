/** The configuration as `config.get` shows it: what runs, device.json, and what commands have put over it, secrets struck out. */
import { redacted } from '../redacted.ts';
import type { BaseFile } from './judge.ts';
import type { Table } from './merge-patch.ts';
import type { Running } from './resolver.ts';

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
