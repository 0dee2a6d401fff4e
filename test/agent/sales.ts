/** Sales of a stage's pump: sold, answered, received, and what the status says is wrong meanwhile. */
import type { Stage } from './stage.ts';

export function degraded(stage: Stage): readonly unknown[] {
  const status = stage.seen().findLast((one) => one.topic === 'fp/v1/pump-42/up/status');
  return (status?.payload['degraded'] ?? []) as readonly unknown[];
}

export async function sell(stage: Stage, seq: number): Promise<void> {
  await stage.meter(JSON.stringify({ k: 'sale', boot: 'a1', seq, ml: seq, cents: seq }));
}

export function answered(stage: Stage, seq: number): boolean {
  return stage.answers().includes(`ACK a1 ${seq}\n`);
}

/** In the order of their arrival. */
export function received(stage: Stage): number[] {
  return stage
    .seen()
    .filter((one) => one.topic === 'fp/v1/pump-42/up/event/sale')
    .map((one) => Number((one.payload['source'] as { readonly seq: string }).seq));
}
