/** Leaks to plant into the agent, as flags of node: what a soak must find. The agent's own code stays as it is. */
export const PLANTS: Readonly<Partial<Record<string, readonly string[]>>> = {
  // 8 KiB a second: at 200 sales a second some 1.7 MiB a simulated month.
  memory: plant('const kept = []; setInterval(() => kept.push(Buffer.alloc(8192, 1)), 1000).unref();'),
  descriptors: plant(
    "import { openSync } from 'node:fs'; let left = 50; setInterval(() => { if (left-- > 0) openSync('/dev/zero'); }, 200).unref();",
  ),
};

function plant(code: string): readonly string[] {
  return [`--import=data:text/javascript,${encodeURIComponent(code)}`];
}
