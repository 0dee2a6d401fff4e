/** The commands by name: the configuration knows exactly those that there are, and which of them change something. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentRestartCommand } from '../../src/command/agent-restart.ts';
import { certificateStatusCommand } from '../../src/command/certificate-status.ts';
import { eventsCommands } from '../../src/command/events.ts';
import { infoGetCommand } from '../../src/command/info-get.ts';
import { LogTail } from '../../src/command/log-tail.ts';
import { logCommands } from '../../src/command/logs.ts';
import { metricsGetCommand } from '../../src/command/metrics-get.ts';
import { pingCommand } from '../../src/command/ping.ts';
import { scheduleCommands } from '../../src/command/schedules.ts';
import { sensorsCommands } from '../../src/command/sensors.ts';
import { statusGetCommand } from '../../src/command/status-get.ts';
import { telemetryCommands } from '../../src/command/telemetry.ts';
import { COMMAND_NAMES, LATER_COMMANDS } from '../../src/config/command-names.ts';
import { createLog } from '../../src/platform/log.ts';
import { HandClock } from '../sensor-rig.ts';

const notRun = (): never => assert.fail('nothing is run here');

function all(): readonly { name: string; changes: boolean; summary: string }[] {
  const clock = new HandClock();
  const log = createLog({ level: 'info', journal: false, write: notRun });
  const tail = new LogTail({ clock, logControl: log, publish: notRun });
  const events = { stat: notRun, dead: notRun, replay: notRun, retry: notRun, abandon: notRun };
  return [
    pingCommand(clock, { id: 'b', uptimeMs: notRun }),
    statusGetCommand(notRun),
    infoGetCommand(notRun),
    metricsGetCommand({ clock, host: { read: notRun }, processFigures: notRun }),
    certificateStatusCommand(clock, notRun),
    ...eventsCommands(events),
    ...sensorsCommands([], notRun),
    ...scheduleCommands(notRun),
    ...logCommands({ clock, log, logControl: log, tail, topic: '' }),
    ...telemetryCommands({ clock, log, sources: [] }),
    agentRestartCommand(clock, notRun),
  ];
}

test('the configuration knows exactly the commands that there are', () => {
  assert.deepEqual(
    all().map(({ name }) => name),
    [...COMMAND_NAMES],
  );
  assert.deepEqual(
    LATER_COMMANDS.filter((name) => COMMAND_NAMES.some((known) => known === name)),
    [],
  );
});

test('what changes something is off unless the configuration turns it on', () => {
  const changing =
    'events.replay events.retry events.abandon sensor.restart schedule.run log.level telemetry.pause telemetry.resume ' +
    'agent.restart';
  assert.deepEqual(
    all().flatMap(({ name, changes }) => (changes ? [name] : [])),
    changing.split(' '),
  );
});
