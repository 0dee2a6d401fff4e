/**
 * Runs a benchmark that starts processes: whatever ends it, also a signal, what it set up is taken down again, and a
 * failure is one sentence and status 1.
 */
import { reasonOf } from '../../src/fault.ts';
import { Undo } from '../../src/workbench/undo.ts';

export async function runBenchmark(name: string, main: (undo: Undo) => Promise<void>): Promise<never> {
  const undo = new Undo();
  const interrupted = new Promise<never>((_, fail) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => fail(new Error(`ended by ${signal}`)));
    // Also past all handling, no process may stay behind.
    process.once('uncaughtException', fail);
  });
  let status = 0;
  try {
    await Promise.race([main(undo), interrupted]);
  } catch (error) {
    process.stderr.write(`${name}: ${reasonOf(error)}\n`);
    status = 1;
  }
  for (const fault of await undo.run()) process.stderr.write(`could not clean up: ${fault}\n`);
  // What an interruption left waiting has nothing to wait for any more.
  process.exit(status);
}
