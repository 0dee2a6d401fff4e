/** The rows of the crash matrix, in the order they are run and shown. */
import type { Row } from './row.ts';
import { ANSWER_ROW } from './rows/answer.ts';
import { CLOCK_ROW } from './rows/clock.ts';
import { DISK_ERROR_ROW, FULL_DISK_ROW } from './rows/full-disk.ts';
import { LEDGER_GONE_ROW, READ_ONLY_ROW } from './rows/ledger-gone.ts';
import { packetsRow } from './rows/packets.ts';
import { POWER_MODEL_ROW } from './rows/power-model.ts';
import { POWER_ROW } from './rows/power.ts';
import { RANDOM_KILL_ROWS } from './rows/random-kills.ts';
import { SNAPSHOT_ROW } from './rows/snapshot.ts';
import { STEPS_ROW } from './rows/steps.ts';

export const ROWS: readonly Row[] = [
  ...RANDOM_KILL_ROWS,
  SNAPSHOT_ROW,
  STEPS_ROW,
  ANSWER_ROW,
  packetsRow(5),
  packetsRow(4),
  POWER_ROW,
  POWER_MODEL_ROW,
  FULL_DISK_ROW,
  DISK_ERROR_ROW,
  CLOCK_ROW,
  LEDGER_GONE_ROW,
  READ_ONLY_ROW,
];
