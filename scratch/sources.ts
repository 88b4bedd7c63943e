import { Storage } from '../lib/core/storage.js';
import { createStorage } from '../lib/drivers/open-storage.js';
import { createRequire } from 'node:module';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
const require = createRequire(import.meta.url);
const RS3 = require('readable-stream');
const RS4 = createRequire(require.resolve('bl'))('readable-stream');
process.on('uncaughtException', (e) => console.log('  !!! uncaught', e.message));
process.on('unhandledRejection', (e: any) => console.log('  !!! unhandled', e?.message));
const root = mkdtempSync(tmpdir() + '/a7k-');
const local = createStorage('l', { driver: 'local', root, durability: 'none' } as any) as any;
const memory = createStorage('m', { driver: 'memory' } as any) as any;
const show = async (name: string, p: Promise<any>) => { try { const r = await p; console.log(name, 'OK', r?.size ?? r); } catch (e: any) { console.log(name, 'ERR', e.constructor.name, e.message); } };
for (const [n, s] of [['local', local], ['memory', memory]] as const) {
  for (const [v, R] of [['rs3', RS3.Readable], ['rs4', RS4.Readable], ['node', Readable]] as any) {
    const spent = new R({ read() { this.push('abc'); this.push(null); } });
    await show(`${n} ${v} first`, s.put('a', spent));
    await show(`${n} ${v} spent again`, s.put('b', spent));
    const dead = new R({ read() {} }); dead.on('error', () => {}); dead.destroy();
    await show(`${n} ${v} destroyed before`, s.put('c', dead));
    const refused = new R({ read() {} });
    await show(`${n} ${v} refused`, s.put('../x', refused));
    console.log('   destroyed after refusal:', refused.destroyed);
    const early = new R({ read() {} });
    const p = s.put('d', early); setImmediate(() => early.destroy(new Error('boom early')));
    await show(`${n} ${v} early error`, p);
    const sync = new R({ read() {} });
    const p2 = s.put('d2', sync); sync.destroy(new Error('boom sync'));
    await show(`${n} ${v} sync error`, p2);
    const pre = new R({ read() {} });
    const ac = new AbortController();
    const p3 = s.put('d3', pre, { signal: ac.signal }); ac.abort(); 
    await show(`${n} ${v} abort`, p3); await new Promise(r=>setTimeout(r,20)); console.log('   destroyed after abort:', pre.destroyed);
    const enc = new R({ read() { this.push(Buffer.from([0xff,0xfe,1,2])); this.push(null);} }); enc.setEncoding('latin1');
    await show(`${n} ${v} latin1`, s.put('e', enc).then(() => s.getBytes('e')).then(b => b.toString('hex')));
  }
  // detached
  const u = new Uint8Array(1000).fill(7);
  const p = s.put('det', u); structuredClone(u.buffer, { transfer: [u.buffer] });
  await show(`${n} detached meanwhile`, p.then(async f => `told ${f.size} has ${(await s.getBytes('det')).length} info ${(await s.info('det')).size}`));
  await show(`${n} detached before`, s.put('det2', u));
  // reuse
  async function* reuse() { const b = Buffer.alloc(65536); for (let i = 0; i < 20; i++) { b.fill(i); yield b; } }
  await s.put('re', reuse()); const got = await s.getBytes('re'); let bad = 0; for (let i = 0; i < 20; i++) if (got[i * 65536] !== i) bad++; console.log(n, 'reused chunk buffer: bad chunks', bad);
  await show(`${n} SAB`, s.put('sab', new SharedArrayBuffer(10) as any));
  await show(`${n} u8 on SAB`, s.put('sab', new Uint8Array(new SharedArrayBuffer(10)), {checksum: undefined}));
  await show(`${n} file`, s.put('f', new File(['abc'], 'x')));
  await show(`${n} u16 offset`, s.put('u16', new Uint16Array(new ArrayBuffer(20), 4, 3) as any).then(()=>s.getBytes('u16')).then(b=>b.length));
  await show(`${n} iter of u16`, s.put('u16i', [new Uint16Array([1,2])] as any));
  await show(`${n} iter of AB`, s.put('abi', [new ArrayBuffer(4)] as any));
  await show(`${n} number array`, s.put('num', [1,2,3] as any));
  await show(`${n} String object`, s.put('so', new String('abc') as any));
  await show(`${n} iterator return throws`, s.put('it', { [Symbol.asyncIterator]() { return { next: async () => { throw new Error('nx'); }, return: () => { throw new Error('rt'); } } as any; } }));
  await show(`${n} iterator next undefined`, s.put('it', { [Symbol.asyncIterator]() { return { next: async () => undefined, return: () => { throw new Error('rt'); } } as any; } }));
  await show(`${n} iterator return rejects on size`, s.put('it', { [Symbol.asyncIterator]() { return { next: async () => ({done:false,value:Buffer.alloc(10)}), return: async () => { throw new Error('rt'); } } as any; } }, { size: 5 }));
  const lateErr = new Readable({ autoDestroy: false, read() { this.push('abc'); this.push(null); } }); lateErr.on('end', () => setImmediate(() => lateErr.emit('error', new Error('after end'))));
  await show(`${n} error after end`, s.put('lae', lateErr)); await new Promise(r=>setTimeout(r,20));
  await show(`${n} web locked`, (() => { const w = new Blob(['abc']).stream(); w.getReader(); return s.put('w', w as any); })());
  const tee = new Blob(['abc']).stream().tee(); await show(`${n} tee`, s.put('w', tee[0] as any)); 
  await show(`${n} web of strings`, s.put('ws', new ReadableStream({ start(c) { c.enqueue('äö'); c.close(); } }) as any));
  await show(`${n} web of arraybuffer`, s.put('ws', new ReadableStream({ start(c) { c.enqueue(new ArrayBuffer(4)); c.close(); } }) as any));
  await show(`${n} objectMode`, s.put('om', Readable.from([{a:1}])));
}
await local.close(); await memory.close();
