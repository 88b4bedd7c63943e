import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { atExit } from './folders.js';

/**
 * Starts a script in a process of its own. It gets the options as JSON in its first argument, is ready when it sends a
 * message, and ends when it is stopped.
 *
 * @param {string} script relative to `base`, the URL of the module that calls
 */
export async function startProcess(script, options, base) {
  const path = fileURLToPath(new URL(script, base));
  const child = fork(path, [JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const forget = atExit(() => child.kill());
  const exited = once(child, 'exit').finally(forget);
  const ready = await Promise.race([
    once(child, 'message').then(([message]) => message),
    exited.then(([code]) => Promise.reject(new Error(`${script} ended with ${code}`))),
  ]);
  return {
    ready,
    pid: child.pid,
    /** What it answers to a message. */
    async ask() {
      child.send('');
      return (await once(child, 'message'))[0];
    },
    async stop() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
