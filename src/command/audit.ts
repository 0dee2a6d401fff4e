/**
 * The audit: each changing command that was begun becomes one event on stream `audit` with its outcome, so that it stands in
 * the ledger's chain. Of the request it holds the sha256 alone, since arguments may be secrets. Each has a number of its
 * own, which the ledger knows again, so after a kill all that are kept are offered once more and none is there twice.
 * What the ledger refuses is counted, told once, and offered again later; no command ever waits for it.
 */
import { reasonOf } from '../fault.ts';
import type { EventDraft, EventField, EventSink, Log } from '../ports.ts';
import type { CommandRecord } from './command-ledger.ts';

/** No sensor's event may be on it. */
const AUDIT_STREAM = 'audit';
/** As many as the command ledger keeps; more are offered at the next start. */
const OWED_MAX = 1000;

export interface AuditOptions {
  readonly auditSink: EventSink;
  readonly log: Log;
}

export class Audit {
  readonly #options: AuditOptions;
  #owed: EventDraft[] = [];
  #working = false;
  #failing = false;
  #refused = 0;

  constructor(options: AuditOptions) {
    this.#options = options;
  }

  /** How often the ledger refused one. */
  get refused(): number {
    return this.#refused;
  }

  /** `epoch`: within which the records are numbered. Does not wait. */
  offer(epoch: string, records: readonly CommandRecord[]): void {
    this.#owed.push(...records.map((record) => draftOf(epoch, record)));
    this.#owed = this.#owed.slice(-OWED_MAX);
    if (this.#working) return;
    this.#work().catch((error: unknown) => {
      this.#options.log.error('audit failed', { reason: reasonOf(error) });
    });
  }

  /** In order, one at a time: the ledger's bound on waiting events is for the sensors. */
  async #work(): Promise<void> {
    this.#working = true;
    try {
      for (let draft = this.#owed[0]; draft !== undefined; draft = this.#owed[0]) {
        const result = await this.#options.auditSink.append(draft);
        const isThere = result.kind === 'accepted' || result.kind === 'repeat';
        if (!isThere)
          this.#tell(result.kind === 'refused' ? result.reason : 'its number is there with another outcome');
        this.#failing = !isThere;
        if (result.kind === 'refused') return;
        this.#owed = this.#owed.filter((one) => one !== draft);
      }
    } finally {
      // In the same turn as the last look: what is offered now starts anew.
      this.#working = false;
    }
  }

  #tell(reason: string): void {
    this.#refused += 1;
    if (!this.#failing) this.#options.log.error('a changing command is not in the audit', { reason });
  }
}

function draftOf(epoch: string, { number, command, id, by, signed, request, outcome }: CommandRecord): EventDraft {
  const data: Record<string, EventField> = { command: text(command), id: text(id) };
  if (by !== undefined) data['by'] = text(by);
  if (signed !== undefined) {
    data['signer'] = text(signed.principal);
    data['key'] = text(signed.key);
  }
  data['request'] = text(request);
  data['status'] = text(outcome?.status ?? 'executing');
  if (outcome?.error !== undefined) data['code'] = text(outcome.error.code);
  const source = { epoch, seq: String(number) };
  return { sensor: 'agent', stream: AUDIT_STREAM, type: 'command', data, source };
}

function text(value: string): EventField {
  return { value, quality: 'good' };
}
