/**
 * Virtual meters against the agent's own framers and decoders: check values, escapes and texts are made twice, by two
 * pieces of code that share nothing, and have to agree frame by frame and value by value.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PROFILE_NAMES } from '../../src/config/profiles.ts';
import { parseJson } from '../../src/platform/json.ts';
import { modbusRecord } from '../../src/sensor/decode-modbus.ts';
import { decoderOf } from '../../src/sensor/decoder.ts';
import { framersOf } from '../../src/serial/framers.ts';
import { sensorOfProfile } from '../../src/cli/sensor-choice.ts';
import { freshSeed, seededRandom } from '../../src/workbench/random.ts';
import { crcArc, crcModbus, crcX25 } from '../../src/workbench/simulate/checks.ts';
import type { SimulatedFrame } from '../../src/workbench/simulate/meter.ts';
import { METER_NAMES } from '../../src/workbench/simulate/meters.ts';
import { disturb } from '../../src/workbench/simulate/noise.ts';
import { framesOf, meterOf, QUESTIONS, STARTED_MS } from './frames.ts';

const FRAMES = 200;

interface Read {
  readonly values: readonly Readonly<Record<string, string>>[];
  readonly invalid: number;
}

function read(name: string, chunks: readonly Buffer[]): Read {
  const { framing, check, decode } = sensorOfProfile(name, { path: '/dev/none' });
  const framer = framersOf(framing, check)(false);
  const decoder = decoderOf(decode, parseJson);
  const values: Readonly<Record<string, string>>[] = [];
  let invalid = 0;
  for (const output of [...chunks.flatMap((chunk) => framer.push(chunk)), ...framer.end()]) {
    if (output.kind !== 'frame') continue;
    const decoded = decoder(output.body);
    if (decoded.kind === 'invalid') invalid += 1;
    else values.push(Object.fromEntries([...decoded.record].map(([key, { text }]) => [key, text])));
  }
  return { values, invalid };
}

function hasCheck(name: string): boolean {
  const { framing, check, modbus } = sensorOfProfile(name, { path: '/dev/none' });
  if (modbus !== undefined) return false;
  return framing.type === 'sml' || (check !== undefined && check.type !== 'none');
}

const byText = (left: string, right: string): number => (left < right ? -1 : 1);

function truths(frames: readonly SimulatedFrame[]) {
  return frames.flatMap(({ truth }) => (truth === undefined ? [] : [truth]));
}

for (const name of METER_NAMES.filter((each) => !each.startsWith('sdm'))) {
  test(`what the virtual ${name} says is what the agent decodes`, (t) => {
    const seed = freshSeed();
    t.diagnostic(`seed ${seed}`);
    const frames = framesOf(name, seed, FRAMES);
    const told = truths(frames);
    assert.ok(told.length >= FRAMES, `${told.length} frames`);
    const { values } = read(
      name,
      frames.map(({ bytes }) => bytes),
    );
    assert.deepEqual(values, told);
  });
}

for (const name of METER_NAMES.filter(hasCheck)) {
  test(`no disturbed frame of the virtual ${name} is taken for another value`, (t) => {
    const seed = freshSeed();
    t.diagnostic(`seed ${seed}`);
    const random = seededRandom(seed);
    const frames = framesOf(name, seed, FRAMES);
    const { values } = read(
      name,
      frames.map(({ bytes }) => disturb(bytes, 0.3, random)),
    );
    const textOf = (each: Readonly<Record<string, string>>): string =>
      Object.entries(each).map(String).sort(byText).join();
    const told = new Set(truths(frames).map(textOf));
    const wrong = values.filter((each) => !told.has(textOf(each)));
    // A sum of eight or sixteen bits lets some pairs of faults pass; a CRC-16 one in 65 536.
    assert.ok(wrong.length <= frames.length / 40, JSON.stringify(wrong.slice(0, 3)));
    assert.ok(values.length > told.size / 2, `only ${values.length} of ${told.size}`);
  });
}

for (const name of ['sdm120', 'sdm630']) {
  test(`what the virtual ${name} says is what the agent reads from its registers`, (t) => {
    const seed = freshSeed();
    t.diagnostic(`seed ${seed}`);
    const polls = sensorOfProfile(name, { path: '/dev/none' }).modbus?.polls ?? [];
    const answers = framesOf(name, seed, FRAMES);
    assert.equal(answers.length, FRAMES * polls.length);
    for (const [index, { bytes, truth }] of answers.entries()) {
      const poll = polls[index % polls.length];
      assert.ok(poll !== undefined);
      const record = modbusRecord(poll, bytes.subarray(3, -2));
      assert.ok(record !== undefined);
      assert.deepEqual(Object.fromEntries([...record].map(([key, { text }]) => [key, text])), {
        ...truth,
        poll: poll.name,
      });
    }
  });
}

test('check values are those of the catalogue', () => {
  const bytes = Buffer.from('123456789');
  assert.equal(crcArc(bytes), 0xbb3d);
  assert.equal(crcX25(bytes), 0x906e);
  assert.equal(crcModbus(bytes), 0x4b37);
});

test('the same seed and times give the same bytes, another seed gives others', () => {
  for (const name of METER_NAMES) {
    const bytes = (seed: number) => Buffer.concat(framesOf(name, seed, 40).map((frame) => frame.bytes)).toString('hex');
    assert.equal(bytes(7), bytes(7), name);
    assert.notEqual(bytes(7), bytes(8), name);
  }
});

test('there is a virtual meter for each profile', () => {
  assert.deepEqual([...METER_NAMES].sort(), [...PROFILE_NAMES].sort());
});

test('registers only rise', () => {
  for (const [name, register] of [
    ['dsmr5', '1-0:1.8.1'],
    ['dsmr5', '1-0:2.8.2'],
    ['sml', '1-0:1.8.0'],
    ['iec62056-d0', '1.8.0'],
  ] as const) {
    const values = truths(framesOf(name, 11, FRAMES)).map((truth) => Number(truth[register]));
    assert.ok(
      values.every((value, index) => index === 0 || value >= (values[index - 1] ?? 0)),
      `${name} ${register}`,
    );
  }
  const pulses = truths(framesOf('pulse-counter', 11, FRAMES)).map((truth) => Number(truth['pulses']));
  assert.ok(pulses.every((value, index) => index === 0 || value >= (pulses[index - 1] ?? 0)));
});

test('a pulse counter repeats its record until it is acknowledged by number', () => {
  const meter = meterOf('pulse-counter', 3);
  const say = () => meter.speak(0)[0];
  const first = say();
  assert.deepEqual(say(), first);
  meter.hear(Buffer.from(`ACK ffffff ${first?.truth?.['seq']}\n`), 0);
  meter.hear(Buffer.from(`ACK ${first?.truth?.['boot']} 9\n`), 0);
  assert.deepEqual(say(), first);
  const answer = `ACK ${first?.truth?.['boot']} 1\n`;
  for (const byte of Buffer.from(answer)) meter.hear(Buffer.from([byte]), 0);
  assert.equal(say()?.truth?.['seq'], '2');
});

test('requests are found cut anyhow and behind noise, and noise alone is not kept', () => {
  for (const name of Object.keys(QUESTIONS)) {
    const whole = meterOf(name, 5);
    const cut = meterOf(name, 5);
    const questions = Buffer.from((QUESTIONS[name] ?? []).join(''), 'latin1');
    const answered = whole.hear(questions, STARTED_MS);
    assert.ok(answered.length > 0, name);
    const inPieces = [...questions].flatMap((byte) => cut.hear(Buffer.from([byte]), STARTED_MS));
    assert.deepEqual(inPieces, answered, name);
    const noise = Buffer.from('0102030405060708', 'hex');
    for (let turn = 0; turn < 1000; turn += 1) cut.hear(noise, STARTED_MS);
    // The end of a line closes off the noise before it.
    cut.hear(Buffer.from('\n'), STARTED_MS);
    assert.equal(cut.hear(questions, STARTED_MS).length, answered.length, name);
  }
});

test('the optical meter reads out only after its identification was asked for and a speed acknowledged', () => {
  const meter = meterOf('iec62056-d0', 1);
  const hear = (text: string) =>
    meter.hear(Buffer.from(text, 'latin1'), 0).map(({ bytes }) => bytes.toString('latin1'));
  assert.deepEqual(hear('\u0006050\r\n'), []);
  assert.deepEqual(hear('/?99!\r\n'), []);
  assert.deepEqual(hear('/?!\r\n'), ['/SIM5fieldpost\r\n']);
  assert.deepEqual(hear('\u0006090\r\n'), []);
  assert.deepEqual(hear('\u0006050\r\n'), []);
  assert.equal(hear('/?!\r\n\u0006050\r\n').length, 2);
});

test('a particle sensor that was not started refuses to be read', () => {
  const meter = meterOf('sps30', 1);
  const [refused] = meter.hear(Buffer.from('7e000300fc7e', 'hex'), 0);
  assert.equal(refused?.bytes.toString('hex'), '7e00034300b97e');
  assert.equal(refused?.truth, undefined);
});
