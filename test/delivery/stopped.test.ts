/**
 * An agent is started anew within its process at each change of its configuration: what is left of the one before it
 * says nothing, to anybody, ever.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pauses } from '../../src/delivery/pauses.ts';
import { LocalStatus } from '../../src/status/local-status.ts';
import { Watchdog } from '../../src/status/watchdog.ts';
import { quietLog } from '../ledger/rig.ts';
import { HandClock } from '../sensor-rig.ts';

const DAY_MS = 86_400_000;

test('a sender that is stopped leaves no pause behind', () => {
  const clock = new HandClock();
  let told = 0;
  const tell = (): void => void (told += 1);
  const chance = { unit: () => 0.5, bytes: (length: number) => Buffer.alloc(length) };
  const pauses = new Pauses({ clock, chance, log: quietLog(), onOver: tell, onChange: tell });
  pauses.pauseStream('alarm');
  pauses.pauseAll(0x97);
  const before = told;
  pauses.stop();
  clock.pass(DAY_MS);
  assert.deepEqual([told, clock.timers], [before, 0]);
});

test('status.json is written a last time at the stop, and not again whatever changes', () => {
  const clock = new HandClock();
  const written: unknown[] = [];
  let connected = true;
  const status = new LocalStatus({
    clock,
    document: () => ({ connected }),
    matter: () => String(connected),
    write: (document) => void written.push(document),
  });
  status.changed();
  connected = false;
  status.stop();
  connected = true;
  status.changed();
  status.stop();
  clock.pass(DAY_MS);
  assert.deepEqual(written, [{ connected: true }, { connected: false }]);
});

test('the supervisor hears nothing of an agent that is stopped, and all of one that nobody watches', () => {
  const said: string[] = [];
  const watchdog = new Watchdog({
    clock: new HandClock(),
    log: quietLog(),
    supervisor: {
      listens: true,
      patienceMs: undefined,
      ready: () => undefined,
      reloading: () => undefined,
      stopping: () => undefined,
      alive: () => undefined,
      extend: () => undefined,
      status: (sentence) => void said.push(sentence),
    },
    works: () => [],
    status: () => ({ url: 'mqtts://broker', lastEnd: undefined, degraded: [] }),
  });
  watchdog.ready();
  watchdog.tell();
  assert.equal(said.length, 1);
  watchdog.stop();
  watchdog.tell();
  assert.equal(said.length, 1);
});
