/** The built agent as a process of one test. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { AgentProcess } from '../../src/workbench/agent-process.ts';

/** Where `npm run build` puts the program. */
export const BUILT = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'dist/fieldpost.mjs');

export function builtProgram(): readonly [string, string] {
  if (!existsSync(BUILT)) throw new Error(`${BUILT} is not there: run npm run build first`);
  return [process.execPath, BUILT];
}

/** Started by the test itself, as often as it likes; killed after it. */
export function agentProcess(t: TestContext, config: string, env?: Readonly<Record<string, string>>): AgentProcess {
  const agent = new AgentProcess({ program: builtProgram(), config, ...(env === undefined ? {} : { env }) });
  t.after(() => agent.kill9());
  return agent;
}
