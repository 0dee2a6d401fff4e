/** A bounded sample of `npm run fuzz`, its controls, and what it makes of packets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../src/workbench/random.ts';
import { CONTROLS } from './fuzz/controls.ts';
import { MUTATIONS } from './fuzz/mutate.ts';
import { runFuzz } from './fuzz/run.ts';
import { faultsOf } from './fuzz/verdict.ts';
import { builtProgram } from './rig/agent-process.ts';
import { testRandom } from './rig/random.ts';

const AROUND = { before: Buffer.of(0xd0, 0), five: true, root: 'fp/v1/pump-42' };

for (const [name, protocol, cases] of [
  ['MQTT 5', 5, 140],
  ['MQTT 3.1.1', 4, 60],
] as const) {
  test(`mutated packets of a broker end, hang or bloat no agent, and lose and double nothing: ${name}`, async (t) => {
    const { seed } = testRandom(t);
    const result = await runFuzz({ cases, protocol, random: seededRandom(seed), program: builtProgram() });
    t.diagnostic(JSON.stringify(result));
    assert.deepEqual(faultsOf(result), []);
    assert.equal(result.cases, cases);
    assert.ok(result.bill.sold > cases && result.connections > cases);
    assert.equal(
      Object.values(result.applied).reduce((sum, count) => sum + count, 0),
      cases,
    );
  });
}

for (const { name, shows, ...control } of CONTROLS) {
  test(`planted, and found: ${name}`, async (t) => {
    const { seed } = testRandom(t);
    const random = seededRandom(seed);
    const run = { ...control, protocol: 5, random, program: builtProgram(), patienceMs: 5000 } as const;
    assert.match((await runFuzz(run)).broken ?? 'no fault found', shows);
  });
}

test('a lost and a doubled sale, growth and an exception that was only logged are faults', () => {
  const sound = {
    cases: 1,
    applied: {},
    connections: 1,
    bill: { sold: 2, lost: [], doubled: [], forks: 0, repeats: 3, epochs: 1 },
    rss: { first: 60, most: 90, last: 80 },
    slowestReconnectMs: 1,
    suspects: [],
    seconds: 1,
    broken: undefined,
  };
  assert.deepEqual(faultsOf(sound), []);
  const bad = [
    { ...sound, bill: { ...sound.bill, lost: [2] } },
    { ...sound, bill: { ...sound.bill, doubled: [1] } },
    { ...sound, bill: { ...sound.bill, forks: 1 } },
    { ...sound, rss: { ...sound.rss, most: 200 } },
    { ...sound, suspects: ['TypeError: x'] },
    { ...sound, broken: 'the agent ended by itself' },
  ];
  for (const result of bad) assert.equal(faultsOf(result).length, 1);
});

test('the same seed gives the same bytes, and every mutation but the empty ones changes something', () => {
  const packet = Buffer.of(0x50, 4, 0x01, 0x02, 0x00, 0x00);
  const all = (seed: number): string[] =>
    Object.values(MUTATIONS).map((mutate) => Buffer.concat(mutate(packet, seededRandom(seed), AROUND)).toString('hex'));
  assert.deepEqual(all(7), all(7));
  for (const [at, name] of Object.keys(MUTATIONS).entries()) {
    const kinds = new Set(Array.from({ length: 20 }, (_, seed) => all(seed)[at]));
    assert.ok(
      [...kinds].some((hex) => hex !== packet.toString('hex')),
      name,
    );
  }
});
