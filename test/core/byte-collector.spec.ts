import { ByteCollector } from '../../lib/core/byte-collector.js';

function collected(chunks: Iterable<Uint8Array>): ByteCollector {
  const collector = new ByteCollector();
  for (const chunk of chunks) collector.append(chunk);
  return collector;
}

describe('ByteCollector', () => {
  it('gives the bytes of all chunks in order, whatever their sizes', () => {
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 31) % 251);
    const chunks: Uint8Array[] = [];
    for (let at = 0, size = 0; at < bytes.length; at += size, size = (size * 3 + 1) % 70_001) {
      chunks.push(bytes.subarray(at, at + size));
    }
    const collector = collected(chunks);
    expect(collector.size).toBe(bytes.length);
    expect(Buffer.compare(collector.bytes(), bytes)).toBe(0);
  });

  it('is empty before the first chunk, and after empty ones', () => {
    expect(new ByteCollector().bytes()).toHaveLength(0);
    expect(collected([new Uint8Array()]).size).toBe(0);
  });

  it('keeps the bytes of a chunk that its source writes over', () => {
    const chunk = Uint8Array.of(1, 2, 3);
    const collector = collected([chunk]);
    chunk.fill(9);
    expect([...collector.bytes()]).toEqual([1, 2, 3]);
  });

  it('hands out bytes of their own, which are not a Buffer', () => {
    const collector = collected([Buffer.from('abc')]);
    collector.bytes().fill(0);
    expect(Buffer.from(collector.bytes()).toString()).toBe('abc');
    expect(Buffer.isBuffer(collector.bytes())).toBe(false);
  });

  it('holds little more than the bytes of a million chunks of one byte', () => {
    const chunk = Uint8Array.of(7);
    const before = process.memoryUsage();
    const collector = collected(Array.from({ length: 1_000_000 }, () => chunk));
    const after = process.memoryUsage();
    expect(collector.size).toBe(1_000_000);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(4_000_000);
  });
});
