/**
 * `fieldpost run`: the service. Reads device.json, starts the agent, and stops it on SIGTERM or SIGINT within a deadline;
 * a second signal leaves at once, which the ledger survives like any crash.
 */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Agent } from '../agent.ts';
import { WatchedClock } from '../clock/watched-clock.ts';
import type { DeviceConfig } from '../config/schema.ts';
import { Fault, reasonOf } from '../fault.ts';
import { systemBoot } from '../platform/boot.ts';
import { systemChance } from '../platform/chance.ts';
import { systemTime } from '../platform/clock.ts';
import { systemCron } from '../platform/cron.ts';
import { readHardware } from '../platform/hardware.ts';
import { commandSigners } from '../platform/command-signers.ts';
import { hostMetrics } from '../platform/host-metrics.ts';
import { eventSigner } from '../platform/event-signer.ts';
import type { CertificateFacts } from '../platform/identity.ts';
import type { InstalledPairs } from '../platform/installed-pairs.ts';
import { processFigures } from '../platform/process-figures.ts';
import { parseJson } from '../platform/json.ts';
import { ledgerFiles } from '../platform/ledger-files.ts';
import { lineOpener } from '../platform/lines.ts';
import { createLog } from '../platform/log.ts';
import { type LinkCredentials, mqttLinkOpener } from '../platform/mqtt-link.ts';
import { stateStore } from '../platform/state-store.ts';
import { statusFile } from '../platform/status-file.ts';
import { systemdSupervisor } from '../platform/systemd.ts';
import { timeService } from '../platform/time-service.ts';
import { writtenBytes } from '../platform/written-bytes.ts';
import type { Log, LogControl } from '../ports.ts';
import { VERSION } from '../version.ts';
import { loadConfig } from './config-file.ts';
import {
  credentialsOf,
  installedPairsOf,
  probePair,
  stateDirectoryOf,
  textsOf,
  withInstalledPair,
} from './credentials.ts';
import { EXIT, exitOf } from './exit.ts';

/** A stop that takes longer is cut short, milliseconds. systemd's default TimeoutStopSec is 90 s. */
const STOP_MS = 10_000;

export async function runCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { config: { type: 'string', default: 'device.json' } } });
  const loaded = loadConfig(values.config);
  if (loaded.kind === 'invalid') {
    process.stderr.write(loaded.text);
    return EXIT.config;
  }
  const { config } = loaded;
  const journal = process.env['JOURNAL_STREAM'] !== undefined;
  const log = createLog({ level: config.log.level, journal, write: (line) => void process.stderr.write(line) });
  try {
    const pairs = installedPairsOf(config, log);
    const certificate = firstCredentials(withInstalledPair(config, pairs), log)?.certificate;
    const commonName = certificate?.commonName ?? config.device.id;
    if (commonName !== config.device.id) {
      log.warn('the certificate is for another device: the broker will refuse its topics', {
        common_name: commonName,
        device: config.device.id,
      });
    }
    return await serve(config, pairs, certificate, log);
  } catch (error) {
    log.error(reasonOf(error));
    return exitOf(error);
  }
}

/** Files that are wrong end the start. A credential that systemd has not handed over does not: events are to be accepted. */
function firstCredentials(config: DeviceConfig, log: Log): LinkCredentials | undefined {
  try {
    return credentialsOf(config);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'credential.missing') throw error;
    log.error(error.message);
    return undefined;
  }
}

async function serve(
  config: DeviceConfig,
  pairs: InstalledPairs,
  shown: CertificateFacts | undefined,
  log: Log & LogControl,
): Promise<number> {
  const supervisor = systemdSupervisor();
  const clock = new WatchedClock(systemTime);
  const stateDirectory = stateDirectoryOf(config);
  let restart: () => void = () => undefined;
  const restartAsked = new Promise<void>((resolve) => {
    restart = resolve;
  });
  // What the newest connection was tried with: renewed files count from the next connection on.
  let certificate = shown;
  const connected = (): DeviceConfig => withInstalledPair(config, pairs);
  const agent = new Agent({
    config,
    configHash: createHash('sha256').update(JSON.stringify(config)).digest('base64url'),
    version: VERSION,
    hardware: readHardware(),
    certificate: () => certificate,
    ports: {
      clock,
      timeService: timeService(),
      chance: systemChance,
      boot: systemBoot(),
      log,
      logControl: log,
      files: ledgerFiles(config.ledger.dir),
      lines: lineOpener(clock),
      broker: mqttLinkOpener(() => {
        const credentials = credentialsOf(connected());
        certificate = credentials.certificate;
        return credentials;
      }, clock),
      state: stateStore(stateDirectory, log),
      cron: systemCron,
      host: hostMetrics({ directory: config.ledger.dir, log }),
      processFigures,
      parseJson,
      supervisor,
      signer: config.ledger.sign === false ? undefined : eventSigner(stateDirectory, config.ledger.sign, log),
      signatures: config.signers === undefined ? undefined : commandSigners(config.signers.file, clock, log),
      writtenBytes,
      writeLocalStatus: statusFile(process.env['RUNTIME_DIRECTORY'] ?? stateDirectory, log),
      certificates: () => textsOf(connected()),
      pairs,
      probeCertificate: (pair, url) => probePair(config, pair.files, url, clock),
      restart: () => {
        log.info('stopping', { command: 'agent.restart' });
        restart();
      },
    },
  });
  const stopped = stopSignal(log);
  await agent.start();
  await Promise.race([stopped, restartAsked]);
  supervisor.stopping();
  const late = setTimeout(() => {
    log.warn('stop takes too long; leaving now', { after_ms: STOP_MS });
    process.exitCode = EXIT.failed;
    process.kill(process.pid, 'SIGKILL');
  }, STOP_MS);
  await agent.stop('shutdown');
  clearTimeout(late);
  return EXIT.done;
}

function stopSignal(log: Log): Promise<void> {
  return new Promise((resolve) => {
    let seen = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (seen) process.kill(process.pid, 'SIGKILL');
      seen = true;
      log.info('stopping', { signal });
      resolve();
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}
