/** When work counts as stuck, and what a line has to get on with. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Work } from '../../src/ports.ts';
import type { LineState } from '../../src/serial/line-machine.ts';
import { lineWorks } from '../../src/serial/line-work.ts';
import { lookAt, NO_PROGRESS, type StuckWork } from '../../src/status/progress.ts';
import { statusSentence } from '../../src/status/status-sentence.ts';

const STEP_MS = 10;
const LIMIT_MS = 30;

/** What is stuck at each look, for one piece of work with these marks. */
function looks(marks: readonly (string | undefined)[]): boolean[] {
  let progress = NO_PROGRESS;
  return marks.map((mark) => {
    const look = lookAt(progress, [{ name: 'it', mark }], STEP_MS, LIMIT_MS);
    progress = look.progress;
    return look.stuck.length > 0;
  });
}

test('work is stuck when its mark stays for the limit, and no more once it gets on or is done', () => {
  assert.deepEqual(looks(['1', '1', '1', '1', '1', '2', '2']), [false, false, false, true, true, false, false]);
  assert.deepEqual(looks(['1', '1', '1', undefined, '1', '1', '1', '1']).slice(0, 7), Array(7).fill(false));
  assert.deepEqual(looks(Array(20).fill(undefined)), Array(20).fill(false));
});

test('work that gets on within the limit is never stuck, whatever else is', () => {
  const marks = fc.array(fc.record({ mark: fc.nat(3), times: fc.integer({ min: 1, max: 3 }) }), { maxLength: 30 });
  fc.assert(
    fc.property(marks, (runs) => {
      let round = 0;
      let progress = NO_PROGRESS;
      for (const { mark, times } of runs) {
        round += 1;
        for (let time = 0; time < times; time += 1) {
          const works: Work[] = [
            { name: 'moves', mark: `${mark} ${round}` },
            { name: 'hangs', mark: 'x' },
          ];
          const look = lookAt(progress, works, STEP_MS, LIMIT_MS);
          progress = look.progress;
          assert.ok(!look.stuck.some(({ name }: StuckWork) => name === 'moves'));
        }
      }
    }),
  );
});

test('a lost line has to try again; an opening that hangs counts only while no line is up', () => {
  const up: LineState = { kind: 'up', generation: 1, sinceMs: 0 };
  const opening: LineState = { kind: 'opening', generation: 7 };
  const lost: LineState = { kind: 'lost', generation: 3, reason: 'gone' };
  const marks = (states: readonly LineState[]): (string | undefined)[] =>
    lineWorks(states.map((state, at) => ({ sensor: `s${at}`, state }))).map(({ mark }) => mark);
  assert.deepEqual(marks([up, opening, lost]), [undefined, undefined, 'lost 3']);
  assert.deepEqual(marks([{ kind: 'closed' }, opening, lost]), [undefined, 'opening 7', 'lost 3']);
});

test('the status is one sentence that a person understands', () => {
  const sound = { url: 'mqtts://broker.example:8883', lastEnd: undefined, degraded: [], stuck: [] };
  assert.equal(statusSentence(sound), 'connected to mqtts://broker.example:8883; all is well');
  assert.equal(
    statusSentence({ ...sound, url: undefined, lastEnd: { word: 'tls.expired' }, degraded: ['sensor.absent:pump'] }),
    'not connected (tls.expired), events wait in the ledger; degraded: sensor.absent:pump',
  );
  const many = Array.from({ length: 9 }, (_, at) => `sensor.absent:s${at}`);
  assert.match(
    statusSentence({ ...sound, degraded: many, stuck: ['the ledger'] }),
    /^no progress: the ledger; .*s5 and 3 more$/,
  );
});
