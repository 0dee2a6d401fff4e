// Starts one child on this terminal, passes signals on, and ends with the child's own status.
import { spawn } from 'node:child_process';
import process from 'node:process';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };

/**
 * Resolves with the child's exit status; 128 + n when signal n ended it.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, stdio?: import('node:child_process').StdioOptions }} [options]
 * @returns {Promise<number>}
 */
export function start(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: options.stdio ?? 'inherit',
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
    });
    // On a terminal Ctrl-C and a hang-up reach the child by themselves; passed on as well they would count twice, and a
    // second signal cuts the child's drain short.
    const passOn = SIGNALS.map((name) => {
      const pass = () => {
        if (name === 'SIGTERM' || !process.stdin.isTTY) child.kill(name);
      };
      process.on(name, pass);
      return () => process.off(name, pass);
    });
    const restore = () => {
      for (const undo of passOn) undo();
    };
    child.on('error', (error) => {
      restore();
      reject(error);
    });
    child.on('exit', (code, signal) => {
      restore();
      resolve(code ?? 128 + (SIGNAL_NUMBERS[signal ?? ''] ?? 0));
    });
  });
}
