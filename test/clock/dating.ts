/** The dating of events by anchors, as docs/CONSUMING.md gives it to consumers: its very text is what the tests run. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';

export interface DatedEvent {
  readonly seq: number;
  readonly time: string;
  readonly clock: 'synced' | 'set' | 'unknown';
  readonly boot: string;
  readonly uptime_ms: number;
  readonly stream: string;
  readonly type: string;
  readonly data: Readonly<Record<string, { readonly value: unknown } | undefined>>;
  readonly source?: { readonly seq: string };
}

type Dated = (
  event: Pick<DatedEvent, 'time' | 'clock' | 'boot' | 'uptime_ms'>,
  events: readonly Pick<DatedEvent, 'time' | 'clock' | 'boot' | 'uptime_ms'>[],
) => { readonly time: string; readonly clock: string };

const page = readFileSync(join(import.meta.dirname, '../../docs/CONSUMING.md'), 'utf8');
const [, text] = /```js\n(const RANK[\s\S]*?)```/.exec(page) ?? [];
if (text === undefined) throw new Error('docs/CONSUMING.md has no example of dating');

export const dated = new Script(`${text}\ndated;`).runInThisContext() as Dated;
