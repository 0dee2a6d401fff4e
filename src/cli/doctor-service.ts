/** The last part of `fieldpost doctor`: does the agent run, what does it say of itself, and does systemd keep it running. */
import { execFile } from 'node:child_process';
import { failed, type Finding, ok, skipped, warning } from './doctor-finding.ts';
import type { AgentStatus, RunningAgent } from './doctor-agent.ts';

const SYSTEMCTL_MS = 3000;
const UNIT = 'fieldpost';

export async function serviceFindings(
  agent: RunningAgent | undefined,
  status: AgentStatus | undefined,
): Promise<readonly Finding[]> {
  const unit = await unitState();
  return [agentFinding(agent), statusFinding(agent, status), unitFinding(unit, agent !== undefined)];
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

function unitState(): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile('systemctl', ['is-active', UNIT], { timeout: SYSTEMCTL_MS }, (_, stdout) => {
      const word = stdout.trim();
      // Without a running systemd it says nothing on stdout, or `offline`.
      resolve(/^[a-z-]+$/.test(word) && word !== 'offline' && word !== 'unknown' ? word : undefined);
    });
  });
}
