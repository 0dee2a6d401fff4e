/** Rows of kills at random moments: of the agent, with cuts of its link, and of the broker in one way or another. */
import type { BrokerFaults } from '../plan.ts';
import type { Row, RowContext, RowResult } from '../row.ts';
import { type CrashOptions, runCrash } from '../run.ts';
import { SALES_PER_SECOND } from '../on-scene.ts';

/** As Debian's Mosquitto does: saved every half an hour and at a stop. */
const DEBIAN_AUTOSAVE = { autosaveInterval: 1800, autosaveOnChanges: false };

type Kills = Partial<CrashOptions> & { readonly brokerFaults: BrokerFaults };

export async function randomKills(context: RowContext, options: Kills): Promise<RowResult> {
  const { kills, busyKills, cuts, brokerFaults, bill, stuck } = await runCrash({
    ...context,
    protocol: 5,
    salesPerSecond: SALES_PER_SECOND,
    ...options,
  });
  return { faults: kills + cuts + brokerFaults, counts: { kills, busyKills, cuts, brokerFaults }, bill, stuck };
}

/** Receipts off is the control of the row: then the same faults lose events. */
export function brokerForgets(context: RowContext, receipts: boolean, drainMs?: number): Promise<RowResult> {
  return randomKills(context, {
    brokerFaults: 'kill',
    persistence: DEBIAN_AUTOSAVE,
    offline: true,
    receipts,
    ...(drainMs === undefined ? {} : { drainMs }),
  });
}

export const RANDOM_KILL_ROWS: readonly Row[] = [
  {
    name: 'agent',
    title: 'agent SIGKILL, link cut; MQTT 5',
    share: 0.4,
    brokerKeeps: true,
    run: (context) => randomKills(context, { brokerFaults: 'none' }),
  },
  {
    name: 'agent-3.1.1',
    title: 'agent SIGKILL, link cut; MQTT 3.1.1',
    share: 0.1,
    brokerKeeps: true,
    run: (context) => randomKills(context, { brokerFaults: 'none', protocol: 4 }),
  },
  {
    name: 'broker-term',
    title: 'the same, and broker SIGTERM',
    share: 0.1,
    brokerKeeps: true,
    run: (context) => randomKills(context, { brokerFaults: 'term' }),
  },
  {
    name: 'broker-kill',
    title: 'the same, and broker SIGKILL, saved each second; receipts',
    share: 0.1,
    brokerKeeps: false,
    run: (context) => randomKills(context, { brokerFaults: 'kill', receipts: true }),
  },
  {
    name: 'broker-forgets',
    title: 'the same, broker SIGKILL, saved each 1800 s, consumer offline; receipts',
    share: 0.06,
    brokerKeeps: false,
    run: (context) => brokerForgets(context, true),
  },
];
