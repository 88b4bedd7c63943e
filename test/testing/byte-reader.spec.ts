import { ByteReader } from '../../lib/testing/servers/byte-reader.js';

const TEXT = 'first\r\n\r\nfour bytes--end\rlast';

/** The text in chunks of a size: a delimiter lies in one of them, or in several. */
async function* chunksOf(text: string, size: number): AsyncGenerator<Buffer> {
  for (let start = 0; start < text.length; start += size) {
    yield Buffer.from(text.slice(start, start + size));
  }
}

async function textOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of chunks) text += chunk.toString();
  return text;
}

describe('ByteReader', () => {
  const sizes = Array.from({ length: TEXT.length }, (_, index) => index + 1);

  it.each(sizes)('reads the same whether chunks have %d bytes or others', async (size) => {
    const reader = new ByteReader(chunksOf(TEXT, size));
    expect(await reader.line(5)).toBe('first');
    expect(await reader.line(0)).toBe('');
    expect(await textOf(reader.take(4))).toBe('four');
    expect(await textOf(reader.until(Buffer.from('--end')))).toBe(' bytes');
    expect(await reader.ended()).toBe(false);
    expect(await textOf(reader.take(100))).toBe('\rlast');
    expect(await reader.ended()).toBe(true);
  });

  it.each(sizes)('gives up a line that is too long, in chunks of %d bytes', async (size) => {
    const reader = new ByteReader(chunksOf(TEXT, size));
    expect(await reader.line(4)).toBeUndefined();
  });

  it('tells by the result of until() that the delimiter has not come', async () => {
    const rest = new ByteReader(chunksOf(TEXT, 3)).until(Buffer.from('nowhere'));
    let step = await rest.next();
    while (step.done !== true) step = await rest.next();
    expect(step.value).toBe(false);
  });
});
