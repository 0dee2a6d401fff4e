/** Built by build.test.ts in place of the agent: opens a line that is not there with the bundled native binding. */
import { SerialPort } from 'serialport';

try {
  await SerialPort.binding.open({ path: '/dev/fieldpost-no-such-line', baudRate: 9600 });
} catch (thrown) {
  process.stdout.write(thrown instanceof Error ? thrown.message : String(thrown));
}
