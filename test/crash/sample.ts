/** A few faults of a row inside `npm test`. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { builtProgram } from '../rig/agent-process.ts';
import { testRandom } from '../rig/random.ts';
import { type Row, type RowContext, type RowResult, rowFault } from './row.ts';

export function sampleContext(t: TestContext, runs: number): RowContext {
  return { runs, seed: testRandom(t).seed, program: builtProgram(), progress: () => undefined };
}

/** Runs it and holds it to its promise. Skips the test where the row can not run: then there is nothing to give. */
export async function assertRow(t: TestContext, row: Row, runs: number): Promise<RowResult | undefined> {
  const result = await row.run(sampleContext(t, runs));
  if ('skipped' in result) {
    t.skip(result.skipped);
    return undefined;
  }
  const { bill } = result;
  t.diagnostic(JSON.stringify({ ...result, bill: { ...bill, findings: undefined } }));
  assert.equal(rowFault(row, result), undefined, bill.findings.join('\n'));
  return result;
}
