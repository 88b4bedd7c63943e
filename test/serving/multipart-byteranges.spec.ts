import { PassThrough } from 'node:stream';
import { Download } from '../../lib/core/download.js';
import { storedFile } from '../../lib/core/stored-file.js';
import { multipartByteranges } from '../../lib/serving/multipart-byteranges.js';

const ranges = [
  { start: 0, end: 1, size: 10 },
  { start: 4, end: 5, size: 10 },
] as const;

function download(): { source: PassThrough; first: Download } {
  const source = new PassThrough();
  const file = storedFile({ key: 'a', size: 10 });
  return { source, first: new Download(file, ranges[0], source) };
}

const never = (): never => {
  throw new Error('not asked for');
};

describe('multipart/byteranges', () => {
  it('frees the first part, even when nobody read anything of it', async () => {
    const { source, first } = download();
    const body = multipartByteranges([...ranges], 'text/plain').stream(first, never);
    body.destroy();
    await new Promise((resolve) => body.once('close', resolve));
    expect(source.destroyed).toBe(true);
  });

  it('has another boundary each time', () => {
    const types = Array.from(
      { length: 100 },
      () => multipartByteranges([...ranges], 'text/plain').contentType,
    );
    expect(new Set(types).size).toBe(100);
  });
});
