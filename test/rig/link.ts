/** A link that can fail, of one test; and a hand that cuts it at random moments until it is told to stop. */
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { LinkProxy, type LinkProxyOptions } from '../../src/workbench/link-proxy.ts';
import type { Random } from '../../src/workbench/random.ts';

export async function startLink(t: TestContext, options: LinkProxyOptions): Promise<LinkProxy> {
  const link = new LinkProxy(options);
  t.after(() => link.stop());
  await link.start();
  return link;
}

export interface Cutting {
  /** Ends the cutting; resolves with the number of cuts that hit an open connection. */
  stop(): Promise<number>;
}

/** Cuts the link again and again, `lowMs` to `highMs` apart, whenever `may` says yes then. */
export function cutAtRandom(
  t: TestContext,
  link: LinkProxy,
  random: Random,
  [lowMs, highMs]: readonly [number, number],
  may: () => boolean,
): Cutting {
  const stopped = new AbortController();
  const run = async (): Promise<number> => {
    let hits = 0;
    for (;;) {
      await pause(random.between(lowMs, highMs), undefined, { signal: stopped.signal }).catch(() => undefined);
      if (stopped.signal.aborted) return hits;
      if (may() && link.cut() > 0) hits += 1;
    }
  };
  const done = run();
  const stop = (): Promise<number> => {
    stopped.abort();
    return done;
  };
  t.after(stop);
  return { stop };
}
