/**
 * The program and the arguments that start npm: the npm that runs this script, where one does. On Windows `npm` and `npx` are batch
 * files, which `execFile` does not start.
 */
export function npm(...args) {
  const running = process.env.npm_execpath;
  return running?.endsWith('.js') ? [process.execPath, [running, ...args]] : ['npm', args];
}
