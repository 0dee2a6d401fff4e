/** The last part of `fieldpost doctor`: does the agent run, what does it say of itself, and does systemd keep it running. */
import { execFile } from 'node:child_process';
import { failed, type Finding, ok, skipped, warning } from './doctor-finding.ts';
import type { AgentStatus, RunningAgent } from './doctor-agent.ts';

const SYSTEMCTL_MS = 3000;
const UNIT = 'fieldpost';
const REBOOT_UNIT = 'fieldpost-reboot.path';

export async function serviceFindings(
  agent: RunningAgent | undefined,
  status: AgentStatus | undefined,
): Promise<readonly Finding[]> {
  const unit = unitFinding(await unitState(UNIT), agent !== undefined);
  return [agentFinding(agent), statusFinding(agent, status), unit, rebootFinding(await unitState(REBOOT_UNIT))];
}

function agentFinding(agent: RunningAgent | undefined): Finding {
  if (agent === undefined) return warning('agent', 'does not run', `systemctl start ${UNIT}`);
  return ok('agent', agent.pid === undefined ? 'runs' : `runs as process ${agent.pid}`);
}

/** Pure. */
export function statusFinding(agent: RunningAgent | undefined, status: AgentStatus | undefined): Finding {
  const name = 'status.json';
  if (agent === undefined) return skipped(name, 'the agent does not run');
  if (status === undefined) return skipped(name, 'there is none of this device that can be read here');
  // It is written when something in it changes, so an old one is no bad sign.
  const { at, connected, degraded } = status;
  const since = `, since ${at}`;
  const link = connected ? 'connected' : 'not connected';
  const what = 'docs/OPERATIONS.md says what to do about each word';
  if (degraded.length > 0) return warning(name, `${link}; degraded: ${degraded.join(', ')}${since}`, what);
  if (!connected)
    return warning(name, `${link}${since}`, 'look at the broker part above, and at connection.last_end in it');
  return ok(name, `${link}, nothing degraded${since}`);
}

/** Pure. `state`: the word of `systemctl is-active`; undefined: there is no systemd to ask. */
export function unitFinding(state: string | undefined, runs: boolean): Finding {
  const name = 'systemd unit';
  if (state === undefined) return skipped(name, 'no systemd runs here');
  if (state === 'active') return ok(name, `${UNIT} is active`);
  const found = `${UNIT} is ${state}`;
  if (state === 'failed') return failed(name, found, `journalctl -u ${UNIT}, then systemctl restart ${UNIT}`);
  if (runs) return warning(name, `${found}, the agent was started by hand`, `systemctl enable --now ${UNIT}`);
  return warning(name, found, `systemctl enable --now ${UNIT}`);
}

/** Pure. Whether a reboot that is asked for by command is done; it may well be switched off. */
export function rebootFinding(state: string | undefined): Finding {
  const name = 'reboot unit';
  if (state === 'active') return ok(name, `${REBOOT_UNIT} waits for requests`);
  // systemd gives up on it when requests come faster than they can be taken.
  const again = `journalctl -u fieldpost-reboot, then systemctl reset-failed ${REBOOT_UNIT} && systemctl start ${REBOOT_UNIT}`;
  if (state === 'failed') return failed(name, `${REBOOT_UNIT} has failed: no request is taken`, again);
  return skipped(name, 'reboots by command are off here');
}

function unitState(unit: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile('systemctl', ['is-active', unit], { timeout: SYSTEMCTL_MS }, (_, stdout) => {
      const word = stdout.trim();
      // Without a running systemd it says nothing on stdout, or `offline`.
      resolve(/^[a-z-]+$/.test(word) && word !== 'offline' && word !== 'unknown' ? word : undefined);
    });
  });
}
