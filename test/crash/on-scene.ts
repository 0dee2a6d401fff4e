/** One scene of a row: set, broken by the row's own hand, drained, billed, taken down. */
import { Undo } from '../../src/workbench/undo.ts';
import type { Acted, RowContext, RowResult } from './row.ts';
import { Scene, type SceneOptions } from './scene.ts';

/** Sales a second of a pump that is sold at without a pause. */
export const SALES_PER_SECOND = 100;

/** `act` breaks things and leaves a running agent behind; it says how many faults struck. */
export async function onScene(
  context: RowContext,
  options: Partial<SceneOptions>,
  act: (scene: Scene, undo: Undo) => Promise<Acted>,
): Promise<RowResult> {
  const undo = new Undo();
  try {
    const { seed, program } = context;
    const scene = await Scene.set({ seed, program, protocol: 5, salesPerSecond: SALES_PER_SECOND, ...options }, undo);
    scene.startSelling();
    const { faults, counts = {} } = await act(scene, undo);
    const stuck = await scene.drain();
    return { faults, counts, bill: scene.bill(), stuck };
  } finally {
    await undo.run();
  }
}
