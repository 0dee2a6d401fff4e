/**
 * Disks that refuse: full ones of several sizes, and errors on each kind of call. The agent must live, refuse without an
 * answer to the meter, and go on when the disk does.
 */
import { spawnSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import type { AgentProcess } from '../../../src/workbench/agent-process.ts';
import { Child } from '../../../src/workbench/child.ts';
import { Undo } from '../../../src/workbench/undo.ts';
import { smallDisk } from '../disk.ts';
import { onScene } from '../on-scene.ts';
import { type Row, type RowResult, sumOf } from '../row.ts';

/** How often it has begun to refuse events in this life. */
function refusals(agent: AgentProcess): number {
  return agent.child.lines.filter((line) => line.includes('refuses events')).length;
}

const SIZES = ['3m', '5m', '8m', '16m'];
const FULL_MS = { low: 300, high: 1200 };
const FULL_PER_DISK = 6;
const DEADLINE_MS = 30_000;

export const FULL_DISK_ROW: Row = {
  name: 'disk-full',
  title: 'disk full (ENOSPC), of 3 to 16 MiB; every third time the agent is killed',
  share: 0.01,
  brokerKeeps: true,
  run: async (context) => {
    const results: RowResult[] = [];
    let left = context.runs;
    for (const [at, size] of SIZES.entries()) {
      const undo = new Undo();
      const rounds = Math.min(left, Math.max(FULL_PER_DISK, Math.ceil(context.runs / SIZES.length)));
      left -= rounds;
      if (rounds === 0) break;
      try {
        const disk = await smallDisk(undo, size);
        if (typeof disk === 'string') return { skipped: disk };
        const options = { disk: disk.path, ledger: { segmentBytes: '64KiB', retain: '0s' }, salesPerSecond: 300 };
        results.push(
          await onScene({ ...context, seed: context.seed + at }, options, async (scene) => {
            const { agent, pump, random } = scene.players;
            let refused = 0;
            await scene.startAgent();
            await scene.accepted(20);
            for (let round = 1; round <= rounds; round += 1) {
              const before = refusals(agent);
              const until = performance.now() + random.between(FULL_MS.low, FULL_MS.high);
              while (performance.now() < until) {
                disk.fill();
                await pause(20);
              }
              scene.mustLive();
              refused += refusals(agent) - before;
              if (round % 3 === 0) {
                await agent.kill9();
                disk.free();
                await scene.startAgent();
              } else disk.free();
              await scene.accepted(20, DEADLINE_MS);
              context.progress(round, pump.accepted.length);
            }
            return { faults: rounds, counts: { refused } };
          }),
        );
      } finally {
        await undo.run();
      }
    }
    const stuck = results.find((result) => result.stuck !== undefined)?.stuck;
    const faults = results.reduce((sum, result) => sum + result.faults, 0);
    const refused = results.reduce((sum, { counts }) => sum + (counts['refused'] ?? 0), 0);
    return { faults, counts: { full: faults, refused }, bill: sumOf(results.map(({ bill }) => bill)), stuck };
  },
};

/** `when` of strace: the first call of each thread, every second one, every one. */
const CALLS = ['pwrite64', 'fsync', 'fdatasync', 'rename', 'unlink', 'ftruncate', 'fallocate', 'openat', 'pread64'];
const WHEN = ['1', '1+2', '1+'];
const FAULT_MS = { low: 200, high: 700 };

export const DISK_ERROR_ROW: Row = {
  name: 'disk-error',
  title: 'disk error (EIO) on each kind of call',
  share: 0.015,
  brokerKeeps: true,
  run: (context) => {
    if (spawnSync('strace', ['-V']).status !== 0) return Promise.resolve({ skipped: 'strace is not there' });
    return onScene(context, { ledger: { segmentBytes: '64KiB' } }, async (scene) => {
      const { agent, pump, random } = scene.players;
      let refused = 0;
      await scene.startAgent();
      await scene.accepted(20);
      for (let run = 0; run < context.runs; run += 1) {
        const call = CALLS[run % CALLS.length] ?? '';
        const when = WHEN[Math.floor(run / CALLS.length) % WHEN.length] ?? '';
        const before = refusals(agent);
        const pid = String(agent.child.pid);
        const strace = new Child({
          command: 'strace',
          args: [
            '-f',
            '-o',
            '/dev/null',
            '-p',
            pid,
            '-e',
            `trace=${call}`,
            '-e',
            `inject=${call}:error=EIO:when=${when}`,
          ],
        });
        try {
          await strace.line(/attached/, DEADLINE_MS);
          await pause(random.between(FAULT_MS.low, FAULT_MS.high));
        } finally {
          await strace.stop(5000);
        }
        scene.mustLive();
        refused += refusals(agent) - before;
        await scene.accepted(10, DEADLINE_MS);
        if (run % 5 === 4) {
          await agent.kill9();
          await scene.startAgent();
        }
        context.progress(run + 1, pump.accepted.length);
      }
      return { faults: context.runs, counts: { errors: context.runs, refused } };
    });
  },
};
