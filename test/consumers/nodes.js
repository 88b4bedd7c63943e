import { join } from 'node:path';
import { Consumer } from '../package/consumer.js';

/** The oldest releases that `engines` in package.json lets in, and the newest of each line. */
const RELEASES = {
  'Node 20.19.0': '20.19.0',
  'Node 22.12.0': '22.12.0',
  'Node 22': '22',
  'Node 24.0.0': '24.0.0',
  'Node 24': '24',
  'Node 26': '26',
};

const platform = process.platform === 'win32' ? 'win' : process.platform;
const binary = platform === 'win' ? 'node.exe' : 'node';

/** Installs releases of Node.js from the npm registry, where each is a package. Resolves to their paths by name. */
export async function installNodes({ work }) {
  const folders = Object.entries(RELEASES).map(([name, version]) => ({
    name,
    version,
    alias: name.toLowerCase().replaceAll(' ', '-'),
  }));
  const consumer = await Consumer.create(work, 'nodes', {
    type: 'module',
    dependencies: Object.fromEntries(
      folders.map(({ alias, version }) => [
        alias,
        `npm:node-${platform}-${process.arch}@${version}`,
      ]),
    ),
  });
  await consumer.install();
  const nodes = {};
  for (const { name, alias } of folders) {
    const path = join(consumer.folder, 'node_modules', alias, 'bin', binary);
    const { stdout } = await consumer.run(path, ['--version']);
    nodes[name.includes('.') ? name : `Node ${stdout.trim().slice(1)}`] = path;
  }
  return nodes;
}
