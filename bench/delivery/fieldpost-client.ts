/**
 * Row `fieldpost` of the delivery benchmark, a process of its own: ledger on disk, sender and link of the product. At most
 * W events are between append() and PUBCOMP, their two writes to disk included.
 */
import { connect, makeLedger, sale } from '../rig/product.ts';
import { ClosedLoop, type Load, tell } from './closed-loop.ts';

const MAX_BYTES = 256 * 1024 * 1024;

interface Input extends Load {
  readonly directory: string;
  readonly dedupe: boolean;
}

const load = JSON.parse(process.argv[2] ?? '{}') as Input;
let syncs = 0;
let syncMs = 0;
const onSynced = (ms: number): void => {
  syncs += 1;
  syncMs += ms;
};
const ledger = makeLedger({ directory: load.directory, maxBytes: MAX_BYTES, onSynced });
await ledger.open();
const loop = new ClosedLoop(load);
let appended = 0;
let eventBytes = 0;
ledger.onCommit(({ events }) => {
  eventBytes = events.at(-1)?.payload.length ?? eventBytes;
});

function fill(handed: number): void {
  while (appended - handed < load.window) {
    appended += 1;
    ledger.append(sale(appended, load.dedupe)).then(refuse, refuse);
  }
}

function refuse(result: unknown): void {
  if (typeof result === 'object' && result !== null && 'kind' in result && result.kind === 'accepted') return;
  console.error(`append was ${JSON.stringify(result)}`);
  process.exit(1);
}

const { sender } = await connect({
  ledger,
  url: load.url,
  tls: load.tls,
  window: load.window,
  onProgress: ({ figures: { handed } }) => {
    fill(handed);
    loop.completed(handed);
  },
});
fill(sender.figures.handed);
const outcome = await loop.outcome;
tell({ ...outcome, eventBytes, syncMs: syncMs / syncs });
