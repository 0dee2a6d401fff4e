// Loaded into the built agent with `node --import`: its timers and its monotonic clock run SPEED times faster, so that a
// test can see a wait of minutes through, and its chance is scaled by LUCK, so that many cuts in a row do not wait long.
// Wall time runs along: against the monotonic clock it would seem to be set back all the time.
// From SIGTERM on timers take as long as in life: a busy machine is no agent that can not stop within its ten seconds.
import { syncBuiltinESMExports } from 'node:module';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import timers from 'node:timers';

const speed = Number(process.env.FIELDPOST_TEST_SPEED ?? 1);
const luck = Number(process.env.FIELDPOST_TEST_LUCK ?? 1);
let timerSpeed = speed;
process.prependListener('SIGTERM', () => {
  timerSpeed = 1;
});

for (const name of ['setTimeout', 'setInterval']) {
  const real = timers[name];
  const fast = (run, ms = 0, ...args) => real(run, ms / timerSpeed, ...args);
  globalThis[name] = fast;
  timers[name] = fast;
}
const now = performance.now.bind(performance);
Object.defineProperty(performance, 'now', { value: () => now() * speed });
const wall = Date.now.bind(Date);
const started = wall();
Date.now = () => Math.round(started + (wall() - started) * speed);
const random = Math.random;
Math.random = () => random() * luck;
syncBuiltinESMExports();
