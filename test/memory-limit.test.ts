/** A bounded sample of `npm run memory-limit`: one limit that the agent holds in, one in which the kernel kills it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runLimited, whyNot } from './memory-limit/run.ts';
import { builtProgram } from './rig/agent-process.ts';

test('too little memory costs kills at most, and no sale is lost or doubled', {
  skip: whyNot() ?? false,
}, async (t) => {
  const small = await runLimited(20, 60, builtProgram());
  t.diagnostic(JSON.stringify({ ...small, bill: { ...small.bill } }));
  assert.ok(small.kills > 0, 'the kernel killed it');
  const { lost, doubled, forks } = small.bill;
  assert.deepEqual({ lost, doubled, forks }, { lost: [], doubled: [], forks: 0 });
});
