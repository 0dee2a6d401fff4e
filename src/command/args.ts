/** What arguments of several commands are made of. Each says what it expects in plain words, which stand after "must be". */
import * as v from 'valibot';
import { durationText, parseDuration } from '../config/units.ts';

/** Shorter ones would be over before their answer is read. */
const LEASE_MS_MIN = 1000;

/** How long something lasts before it ends by itself. Parsed: milliseconds. */
export function leaseTime(maxMs: number) {
  const expected = `a duration such as "10m", ${durationText(LEASE_MS_MIN)} to ${durationText(maxMs)}`;
  return v.pipe(
    v.string(),
    v.description(`How long: ${expected}.`),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const ms = parseDuration(dataset.value);
      if (ms !== undefined && ms >= LEASE_MS_MIN && ms <= maxMs) return ms;
      addIssue({ expected });
      return NEVER;
    }),
  );
}

/** The id of a sensor; whether there is such a one, the command judges. */
export const sensorId = v.pipe(
  v.string(),
  v.description('Id of the sensor.'),
  v.rawCheck(({ dataset, addIssue }) => {
    if (dataset.typed && !/^[A-Za-z0-9._-]{1,64}$/.test(dataset.value)) addIssue({ expected: 'the id of a sensor' });
  }),
);

export function wholeNumber(max: number, min = 0) {
  const expected = `a whole number, ${min} to ${max}`;
  return v.pipe(
    v.number(),
    v.description(`A whole number, ${min} to ${max}.`),
    v.rawCheck(({ dataset, addIssue }) => {
      const isFit = dataset.typed && Number.isInteger(dataset.value) && dataset.value >= min && dataset.value <= max;
      if (!isFit) addIssue({ expected });
    }),
  );
}
