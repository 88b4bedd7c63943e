import { createStorage } from '../lib/drivers/open-storage.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
const root = mkdtempSync(tmpdir() + '/a7k-');
const s: any = createStorage('l', { driver: 'local', root, durability: 'none' } as any);
const copy = process.argv[2] === 'copy';
async function* src() { for (let i = 0; i < 4096; i++) { const b = Buffer.allocUnsafeSlow(65536); yield copy ? Buffer.from(b) : b; } }
for (let i = 0; i < 6; i++) { const t = performance.now(); const c = process.cpuUsage(); await s.put('a', src()); const d = process.cpuUsage(c); console.log(copy, Math.round(performance.now() - t), 'ms', Math.round((d.user + d.system) / 1000), 'cpu'); }
await s.close(); rmSync(root, { recursive: true });
