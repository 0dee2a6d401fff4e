/** A process with a schedule of every second, and one of every day; says on stdout when an entry ran and that it is alive. */
import { writeSync } from 'node:fs';
import { systemCron } from '../../src/platform/cron.ts';

const say = (what: string): void => void writeSync(1, `${what} ${new Date().toISOString()}\n`);
await systemCron.schedule('* * * * * *', 'UTC', () => say('second'));
const daily = await systemCron.schedule('0 3 * * *', 'UTC', () => say('day'));
setInterval(() => say(`alive ${new Date(daily.nextMs?.() ?? 0).toISOString()}`), 100);
