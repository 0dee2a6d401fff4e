/**
 * Every profile against its virtual meter: streams cut at each byte and at random, with noise between the frames, and the
 * whole sensor on a real pseudo-terminal. The meters make their check values by code of their own.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topicsOf } from '../src/broker/topics.ts';
import { FramePipe } from '../src/cli/frame-pipe.ts';
import { type Sensor as SensorOfFile, sensorOfProfile } from '../src/cli/sensor-choice.ts';
import { systemChance } from '../src/platform/chance.ts';
import { systemClock } from '../src/platform/clock.ts';
import { systemCron } from '../src/platform/cron.ts';
import { parseJson } from '../src/platform/json.ts';
import { lineOpener } from '../src/platform/lines.ts';
import { Sensor } from '../src/sensor/sensor.ts';
import { lineFactory } from '../src/serial/line.ts';
import { modbusBuses } from '../src/serial/modbus-bus.ts';
import { owedAnswers } from '../src/serial/owed-answers.ts';
import { samplesFactory } from '../src/telemetry/samples.ts';
import { type Random, seededRandom } from '../src/workbench/random.ts';
import { METER_NAMES, METERS } from '../src/workbench/simulate/meters.ts';
import { startMeter } from '../src/workbench/simulate/run-meter.ts';
import { testRandom } from './rig/random.ts';
import { HandLedger, keptMemory, KeptSamples } from './sensor-rig.ts';
import { keptLog, until } from './serial-rig.ts';
import { framesOf } from './simulate/frames.ts';

const FRAMES = 12;
/** Cuttings at random of one stream. */
const CUTTINGS = 40;

type Values = Readonly<Record<string, string>>;

function decoded(sensor: SensorOfFile, chunks: readonly Buffer[]): readonly Values[] {
  const pipe = new FramePipe(sensor);
  return [...chunks.flatMap((chunk) => pipe.push(chunk)), ...pipe.end()].map(({ record }) =>
    Object.fromEntries([...record].map(([name, { text }]) => [name, text])),
  );
}

/** Bytes that nobody sent. On a line of text they end with it: without a start mark nothing tells where they end. */
function noise(sensor: SensorOfFile, random: Random): Buffer {
  const bytes = Buffer.from(Array.from({ length: random.whole(1, 60) }, () => random.whole(0, 255)));
  const { framing } = sensor;
  if (framing.type === 'line') return Buffer.concat([bytes, Buffer.from(framing.delimiter)]);
  return framing.type === 'slip' ? Buffer.concat([bytes, Buffer.from('7e', 'hex')]) : bytes;
}

function textOf(values: Values): string {
  return JSON.stringify(Object.entries(values).toSorted(([left], [right]) => (left < right ? -1 : 1)));
}

function pieces(stream: Buffer, random: Random): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const length = random.whole(1, 97);
    chunks.push(stream.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

for (const name of METER_NAMES.filter((each) => !each.startsWith('sdm'))) {
  test(`${name}: the same readings for every cut of the stream, and none lost to the noise between`, (t) => {
    const { seed } = testRandom(t);
    const random = seededRandom(seed);
    const sensor = sensorOfProfile(name, { path: '/dev/none' });
    const frames = framesOf(name, seed, FRAMES);
    const truths = frames.flatMap(({ truth }) => (truth === undefined ? [] : [truth]));
    const stream = Buffer.concat(frames.map(({ bytes }) => bytes));
    assert.deepEqual(decoded(sensor, [stream]), truths);
    for (let at = 1; at < stream.length; at += 1) {
      const cut = [stream.subarray(0, at), stream.subarray(at)];
      assert.deepEqual(decoded(sensor, cut), truths, `cut at ${at}`);
    }
    const lost: Values[] = [];
    for (let cutting = 0; cutting < CUTTINGS; cutting += 1) {
      const noisy = Buffer.concat(frames.flatMap(({ bytes }) => [noise(sensor, random), bytes]));
      const whole = decoded(sensor, [noisy]);
      assert.deepEqual(decoded(sensor, pieces(noisy, random)), whole);
      const texts = new Set(whole.map(textOf));
      lost.push(...truths.filter((truth) => !texts.has(textOf(truth))));
    }
    // A check of eight bits takes one false frame of 256 for a true one, with the true one inside it.
    const isWeak = ['xor8', 'sum8', 'lrc'].includes(sensor.check?.type ?? '');
    const most = isWeak ? (CUTTINGS * truths.length) / 50 : 0;
    assert.ok(lost.length <= most, `${lost.length} lost, such as ${JSON.stringify(lost[0])}`);
  });
}

for (const name of METER_NAMES) {
  test(`${name}: a sensor of this profile reads its virtual meter on a tty`, async (t) => {
    const { seed } = testRandom(t);
    const kind = METERS[name];
    assert.ok(kind !== undefined);
    const every = kind.create(seededRandom(seed)).everyMs === undefined ? {} : { everyMs: 100 };
    const meter = await startMeter({ kind, seed, line: { kind: 'pty' }, ...every, talksUnheard: true, noise: 0 });
    const [ledger, samples, log, clock] = [new HandLedger(), new KeptSamples(), keptLog(), systemClock];
    ledger.always = { kind: 'accepted', seq: 1 };
    const createLine = lineFactory({ opener: lineOpener(clock), clock, chance: systemChance, log });
    const { routes, ...config } = sensorOfProfile(name, { path: meter.where });
    const sensor = new Sensor({
      config: {
        ...config,
        routes: routes.map((route) =>
          route.kind === 'telemetry' ? { ...route, telemetry: { ...route.telemetry, every: 0 } } : route,
        ),
      },
      clock,
      cron: systemCron,
      log,
      parseJson,
      createLine,
      busOf: modbusBuses({ createLine, owed: owedAnswers(Number.NEGATIVE_INFINITY), clock, log }),
      createSamples: samplesFactory({ clock, samples, topics: topicsOf('fp/v1', 'd') }),
      events: ledger,
      memory: keptMemory(),
    });
    // In this order: a sensor that tries on would open another test's terminal of the same number.
    t.after(() => sensor.stop());
    t.after(() => meter.end());
    sensor.start();
    const hasEvents = routes.some((route) => route.kind === 'event');
    const hasSamples = routes.some((route) => route.kind === 'telemetry');
    await until(
      () => (!hasEvents || ledger.drafts.length > 0) && (!hasSamples || samples.sent.length > 0),
      () => `readings: ${JSON.stringify(sensor.state())}`,
      30_000,
    );
    const { state, counters } = sensor.state();
    assert.equal(state, 'ok');
    assert.deepEqual([counters.invalid, counters.outOfRange, counters.unusable, counters.noEvent], [0, 0, 0, 0]);
  });
}
