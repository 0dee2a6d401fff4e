/**
 * The link is cut just before one packet of a chosen kind leaves, in either direction, one kind after the other: each step
 * of connecting, subscribing, handing over and taking a receipt is interrupted once as the first of its kind, once as the
 * second, and so on.
 */
import type { Direction } from '../../../src/workbench/link-proxy.ts';
import { until } from '../../../src/workbench/wait.ts';
import { onScene } from '../on-scene.ts';
import type { Row } from '../row.ts';

interface Kind {
  readonly name: string;
  readonly direction: Direction;
  /** MQTT's packet type. */
  readonly type: number;
  /** Only a new connection brings it. */
  readonly connecting?: true;
  /** So many come with a connection; the next one may be a minute away. */
  readonly nthMax?: number;
}

const KINDS: readonly Kind[] = [
  { name: 'CONNECT', direction: 'up', type: 1, connecting: true },
  { name: 'CONNACK', direction: 'down', type: 2, connecting: true },
  { name: 'SUBSCRIBE', direction: 'up', type: 8, connecting: true },
  { name: 'SUBACK', direction: 'down', type: 9, connecting: true },
  { name: 'PUBLISH', direction: 'up', type: 3 },
  { name: 'PUBREC', direction: 'down', type: 5 },
  { name: 'PUBREL', direction: 'up', type: 6 },
  { name: 'PUBCOMP', direction: 'down', type: 7 },
  // Status, info and the state of the one sensor.
  { name: 'PUBACK of a status', direction: 'down', type: 4, nthMax: 3 },
  { name: 'PUBLISH of a receipt', direction: 'down', type: 3 },
  { name: 'PUBACK of a receipt', direction: 'up', type: 4 },
];

/** The packet that is cut is the first of its kind, then the second, and so on to here. */
const NTH_MAX = 25;
const DEADLINE_MS = 30_000;
/** Cuts between two kills of the agent. */
const CUTS_A_LIFE = 2;

export function packetsRow(protocol: 4 | 5): Row {
  return {
    name: protocol === 5 ? 'packets' : 'packets-3.1.1',
    title: `link cut before each kind of packet; MQTT ${protocol === 5 ? '5' : '3.1.1'}; receipts`,
    share: protocol === 5 ? 0.04 : 0.02,
    brokerKeeps: true,
    run: (context) => {
      let armed: { readonly kind: Kind; left: number } | undefined;
      const watch = (direction: Direction, packet: { readonly type: number }): 'pass' | 'cut' => {
        if (armed?.kind.direction !== direction || armed.kind.type !== packet.type) return 'pass';
        armed.left -= 1;
        if (armed.left > 0) return 'pass';
        armed = undefined;
        return 'cut';
      };
      return onScene(context, { protocol, receipts: true, watch }, async (scene) => {
        const { link, pump, agent } = scene.players;
        await scene.startAgent();
        for (let run = 0; run < context.runs; run += 1) {
          const kind = KINDS[run % KINDS.length] as Kind;
          const nth = 1 + (Math.floor(run / KINDS.length) % (kind.nthMax ?? NTH_MAX));
          const { connections } = link.counters;
          armed = { kind, left: kind.connecting === true ? 1 : nth };
          if (kind.connecting === true) link.cut();
          await until(
            () => scene.mustLive() && armed === undefined && link.counters.connections > connections,
            () => `the cut before ${kind.name} ${nth} and a new connection; ${agent.child.lastWords()}`,
            DEADLINE_MS,
          );
          context.progress(run + 1, pump.accepted.length);
          // A link that never holds is tried less and less often; a new process begins afresh.
          if (run % CUTS_A_LIFE === CUTS_A_LIFE - 1) {
            await agent.kill9();
            await scene.startAgent();
          }
        }
        return { faults: context.runs, counts: { cuts: context.runs } };
      });
    },
  };
}
