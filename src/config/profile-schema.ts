/** `sensors[].profile`: the name of a ready-made sensor, by which the keys that the sensor does not give itself are filled. */
import * as v from 'valibot';
import { oneOfText } from './elements.ts';
import { nearest } from './nearest.ts';
import { PROFILE_NAMES } from './profiles.ts';

const EXPECTED = `the name of a profile (${oneOfText(PROFILE_NAMES)})`;

export const profileSchema = v.pipe(
  v.string(EXPECTED),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed || PROFILE_NAMES.includes(dataset.value)) return;
    const near = nearest(dataset.value, PROFILE_NAMES);
    addIssue({ message: near === undefined ? EXPECTED : `${EXPECTED}; did you mean ${near}?` });
  }),
  v.metadata({ enum: [...PROFILE_NAMES] }),
  v.description('A ready-made sensor of config/sensors/: what stands here beside it takes its place, key by key.'),
);
