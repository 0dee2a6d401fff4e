/** Puts a virtual meter on its line and lets it talk and answer until it is told to end. */
import { Fault } from '../../fault.ts';
import { seededRandom } from '../random.ts';
import { openServerLine, openTerminalLine } from './meter-line.ts';
import type { SimulatedFrame } from './meter.ts';
import type { MeterKind } from './meters.ts';
import { disturb } from './noise.ts';

export interface RunMeterOptions {
  readonly kind: MeterKind;
  readonly seed: number;
  readonly line:
    | { readonly kind: 'pty'; readonly link?: string }
    | { readonly kind: 'tcp'; readonly host: string; readonly port: number };
  /** Milliseconds between frames of a meter that talks; default: its own. */
  readonly everyMs?: number;
  /** It talks also while it sees nobody on its line: for a reader in the same process, which is not to be seen. */
  readonly talksUnheard?: boolean;
  /** Probability, 0 to 1, that a frame is disturbed. */
  readonly noise: number;
}

/** How soon a meter sees that somebody has come or gone. */
const LOOK_MS = 250;

export interface MeterTotals {
  /** What the line took. */
  readonly frames: number;
  readonly bytes: number;
  /** Frames said while nobody was on the line, or while it was full. */
  readonly lost: number;
}

export interface RunningMeter {
  /** A tty's path, or `host:port`. */
  readonly where: string;
  end(): Promise<MeterTotals>;
}

/** Rejects with Fault `line.open`, or `usage` where an interval is given to a meter that has none. */
export async function startMeter(options: RunMeterOptions): Promise<RunningMeter> {
  const { kind, line: place, noise } = options;
  const random = seededRandom(options.seed);
  const meter = kind.create(random);
  const { everyMs } = meter;
  if (everyMs === undefined && options.everyMs !== undefined) {
    throw new Fault('usage', '--every: must be left out, this meter speaks only when it is asked');
  }
  // Of its own, so that noise does not change what the meter says.
  const noiseRandom = seededRandom(options.seed + 1);
  const totals = { frames: 0, bytes: 0, lost: 0 };
  const line = place.kind === 'pty' ? await openTerminalLine(place.link) : await openServerLine(place.host, place.port);
  const say = (frames: readonly SimulatedFrame[], isHeard: boolean): void => {
    for (const frame of frames) {
      const bytes = disturb(frame.bytes, noise, noiseRandom);
      if (bytes.length === 0) continue;
      if (isHeard && line.write(bytes)) {
        totals.frames += 1;
        totals.bytes += bytes.length;
      } else totals.lost += 1;
    }
  };
  line.onBytes((bytes) => say(meter.hear(bytes, Date.now()), true));
  // A terminal would keep what nobody reads, and hand out old frames as new ones to whoever comes later.
  let isHeard = options.talksUnheard === true;
  const looking = setInterval(() => {
    void line.hasReader().then(
      (isThere) => {
        isHeard = isThere || options.talksUnheard === true;
      },
      () => undefined,
    );
  }, LOOK_MS);
  const talking =
    everyMs === undefined
      ? undefined
      : setInterval(() => say(meter.speak(Date.now()), isHeard), options.everyMs ?? everyMs);
  return {
    where: line.where,
    end: async () => {
      clearInterval(looking);
      clearInterval(talking);
      await line.close();
      return totals;
    },
  };
}
