/**
 * `fieldpost run`: the service. Reads device.json, runs the agent on it and on what commands have put over it, and stops it
 * on SIGTERM or SIGINT within a deadline; a second signal leaves at once, which the ledger survives like any crash.
 */
import { parseArgs } from 'node:util';
import { Agent, type AgentPorts } from '../agent.ts';
import { WatchedClock } from '../clock/watched-clock.ts';
import type { DeviceConfig } from '../config/schema.ts';
import { reasonOf } from '../fault.ts';
import { systemBoot } from '../platform/boot.ts';
import { systemChance } from '../platform/chance.ts';
import { systemTime } from '../platform/clock.ts';
import { systemCron } from '../platform/cron.ts';
import { readHardware } from '../platform/hardware.ts';
import { commandSigners } from '../platform/command-signers.ts';
import { compress } from '../platform/gzip.ts';
import { hostMetrics } from '../platform/host-metrics.ts';
import { eventSigner } from '../platform/event-signer.ts';
import { CredentialWatch } from '../platform/credential-watch.ts';
import { processFigures } from '../platform/process-figures.ts';
import { parseJson } from '../platform/json.ts';
import { holdsLedger, ledgerFiles } from '../platform/ledger-files.ts';
import { lineOpener } from '../platform/lines.ts';
import { createLog } from '../platform/log.ts';
import { type LinkCredentials, mqttLinkOpener } from '../platform/mqtt-link.ts';
import { rebootRequest } from '../platform/reboot-request.ts';
import { stateStore } from '../platform/state-store.ts';
import { statusFile } from '../platform/status-file.ts';
import { writeStderr } from '../platform/stderr.ts';
import { systemdSupervisor } from '../platform/systemd.ts';
import { timeService } from '../platform/time-service.ts';
import { writtenBytes } from '../platform/written-bytes.ts';
import type { Boot, FlooredClock, Log, LogControl, Supervisor } from '../ports.ts';
import type { LinkOpener } from '../ports-broker.ts';
import type { OwedAnswers } from '../ports-line.ts';
import type { BaseFile, BaseRead } from '../remote/judge.ts';
import type { RemoteConfig } from '../remote/remote-config.ts';
import type { Running } from '../remote/resolver.ts';
import { owedAnswers } from '../serial/owed-answers.ts';
import { VERSION } from '../version.ts';
import { loadConfig } from './config-file.ts';
import {
  asConnected,
  credentialFiles,
  credentialsOf,
  installedPairsOf,
  probePair,
  stateDirectoryOf,
  textsOf,
  withInstalledPair,
} from './credentials.ts';
import { EXIT, exitOf } from './exit.ts';
import { lastConfig, startFault } from './last-config.ts';
import { serve } from './serve.ts';
import { firstCredentials, startProblem } from './start-check.ts';

export async function runCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { config: { type: 'string', default: 'device.json' } } });
  const journal = process.env['JOURNAL_STREAM'] !== undefined;
  const log = createLog({ level: 'info', journal, write: writeStderr });
  const loaded = loadConfig(values.config);
  const base = loaded.kind === 'valid' ? baseOf(loaded) : await standIn(loaded.text, log);
  if (base === undefined) return loaded.kind === 'invalid' && loaded.isPassing ? EXIT.disk : EXIT.config;
  const { config } = base;
  log.setLevel(config.log.level);
  const boot = systemBoot();
  const supervisor = systemdSupervisor();
  // The monotonic clock counts from the start of the process.
  const owed = owedAnswers(0);
  const read = (): BaseRead => {
    const again = loadConfig(values.config);
    if (again.kind === 'invalid') return { kind: 'invalid', text: again.text };
    try {
      // As the next agent does first, and would end the process over.
      firstCredentials(asConnected(again.config), log, false);
    } catch (error) {
      return { kind: 'invalid', text: reasonOf(error) };
    }
    return { kind: 'valid', ...baseOf(again) };
  };
  try {
    await serve({
      base,
      isBaseInvalid: loaded.kind === 'invalid',
      readBase: read,
      startProblem: (next, running) => startProblem(next, running, log),
      stateDirectory: stateDirectoryOf(config),
      boot,
      log,
      supervisor,
      makeAgent: (running, remote, restart) =>
        agentOn(running, remote, { log, boot, file: values.config, supervisor, owed, restart }),
    });
    return EXIT.done;
  } catch (error) {
    log.error(reasonOf(error));
    return exitOf(error);
  }
}

/** For a device.json that is not valid; undefined: this device has never worked, and a person stands beside it. */
async function standIn(problems: string, log: Log): Promise<BaseFile | undefined> {
  const last = await lastConfig(log);
  if (last === undefined) writeStderr(problems);
  else log.error('device.json is not valid: what ran last is run', { problems: problems.trim() });
  return last;
}

interface Process {
  readonly log: Log & LogControl;
  readonly boot: Boot;
  /** Where the configuration came from. */
  readonly file: string;
  readonly supervisor: Supervisor;
  readonly owed: OwedAnswers;
  /** Asks the process to end. */
  readonly restart: () => void;
}

/** For whoever has to help the device from afar. */
function helpPorts(
  file: string,
  config: DeviceConfig,
  log: Log,
): Pick<AgentPorts, 'doctor' | 'compress' | 'reboot' | 'startFault'> {
  return {
    startFault: (of) => startFault(file, config, of, log),
    // Loaded when it is asked for: most devices never need it.
    doctor: async () => (await import('./doctor-own.ts')).ownDoctor(file, config),
    compress,
    reboot: rebootRequest(process.env['RUNTIME_DIRECTORY']),
  };
}

/** Both read the same files, those of `connected`: what a link was opened with is what a renewal is measured by. */
function linkPorts(
  config: DeviceConfig,
  connected: () => DeviceConfig,
  clock: FlooredClock,
  log: Log,
): { readonly broker: LinkOpener; readonly renewal: CredentialWatch } {
  const load = (): LinkCredentials => credentialsOf(connected());
  const renewal = new CredentialWatch({ files: credentialFiles(config), load, clock, log });
  return { broker: mqttLinkOpener(() => renewal.take(), { clock, forProbe: load }), renewal };
}

/** Throws when a file that the configuration names can not be used, on the first start or on a trial. */
function agentOn(
  { config, hash, trial }: Running,
  remote: RemoteConfig,
  { log, boot, file, supervisor, owed, restart }: Process,
): Agent {
  const clock = new WatchedClock(systemTime);
  const stateDirectory = stateDirectoryOf(config);
  const pairs = installedPairsOf(config, log);
  const connected = (): DeviceConfig => withInstalledPair(config, pairs);
  const isAtWork = trial === undefined && holdsLedger(config.ledger.dir);
  const shown = firstCredentials(connected(), log, isAtWork)?.certificate;
  const commonName = shown?.commonName ?? config.device.id;
  if (commonName !== config.device.id) {
    log.warn('the certificate is for another device: the broker will refuse its topics', {
      common_name: commonName,
      device: config.device.id,
    });
  }
  const { broker, renewal } = linkPorts(config, connected, clock, log);
  return new Agent({
    config,
    configHash: hash,
    remote,
    version: VERSION,
    hardware: readHardware(),
    certificate: () => renewal.certificate ?? shown,
    ports: {
      clock,
      timeService: timeService(),
      chance: systemChance,
      boot,
      log,
      logControl: log,
      files: ledgerFiles(config.ledger.dir),
      lines: lineOpener(clock),
      owed,
      broker,
      renewal,
      state: stateStore(stateDirectory, log),
      cron: systemCron,
      host: hostMetrics({ directory: config.ledger.dir, log }),
      processFigures,
      parseJson,
      supervisor,
      signer: config.ledger.sign === false ? undefined : eventSigner(stateDirectory, config.ledger.sign, log),
      signatures: config.signers === undefined ? undefined : commandSigners(config.signers.file, clock, log),
      writtenBytes,
      ...helpPorts(file, config, log),
      writeLocalStatus: statusFile(process.env['RUNTIME_DIRECTORY'] ?? stateDirectory, log),
      certificates: () => textsOf(connected()),
      pairs,
      probeCertificate: (pair, url) => probePair(config, pair.files, url, clock),
      restart,
    },
  });
}

/** A file that was found valid is an object. */
function baseOf({ value, config }: { readonly value: unknown; readonly config: DeviceConfig }): BaseFile {
  return { value: value as BaseFile['value'], config };
}
